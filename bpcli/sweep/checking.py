"""Every point of a sweep passes the checks of a spec that is trained, before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from bpcli.build import check, completed, plan
from bpcli.data import Description, decides_reading, describe, files_of
from bpcli.errors import BpcliError, Problem, SpecError
from bpcli.spec.data import DataOptions
from bpcli.spec.dump import resolve_paths
from bpcli.spec.load import Template
from bpcli.spec.model import Source, Spec
from bpcli.spec.series import Series
from bpcli.sweep.axes import Point

MOST_PROBLEMS = 10  # shown of a sweep that cannot start
_MOST = 20_000  # sections remembered


class _Data(NamedTuple):
    """A data section as it was read, with absolute paths, and what it asks of a network."""

    read: DataOptions
    resolved: DataOptions
    description: Description


class Checking:
    """Makes the spec of each point, with its paths absolute, and checks it.

    Options are checked as they are read; then layers and targets against the data, of which the
    headers are read, and the rest only where they do not tell how many classes there are. What
    several points share is read and checked once. ``files`` are those that the data come from.
    """

    def __init__(self, template: Template, settings: Point = ()) -> None:
        self.template, self.settings = template, settings
        self.files: dict[Path, None] = {}
        self._series = Series(template, settings)
        self._source = Source(template.file, template.folder)
        self._data: dict[Any, _Data] = {}  # by the section's id, as it was read, and all else
        self._fitting: set[Any] = set()
        self._without: set[str] | None = None  # problems of the spec as it is

    def all(self, points: Iterable[Point]) -> Iterator[tuple[Point, Spec]]:
        """Each point with its spec; raises SpecError, the problems of several points together."""
        problems: dict[str, Problem] = {}
        failing = 0
        for point in points:
            try:
                spec = self.spec(point)
            except SpecError as error:
                problems.update((str(problem), problem) for problem in error.problems)
                failing += 1
                if max(failing, len(problems)) >= MOST_PROBLEMS:
                    break
                continue
            if not problems:
                yield point, spec
        if problems:
            raise SpecError(list(problems.values())[:MOST_PROBLEMS])

    def spec(self, point: Point) -> Spec:
        """The spec of one point; raises SpecError."""
        spec = self._series.spec(point)
        place = (id(spec.data), *decides_reading(spec))
        data = self._data.get(place) or self._described(spec, point, place)
        spec = replace(spec, data=data.resolved, source=self._source)
        self._check_fit(spec, place, data.description, point)
        return spec

    def _described(self, spec: Spec, point: Point, place: Any) -> _Data:
        if len(self._data) >= _MOST:
            self._data.clear()
            self._fitting.clear()  # they go by ids of data
        try:
            description = completed(spec, describe(spec))
            self.files.update(dict.fromkeys(files_of(spec)))
        except BpcliError as error:
            raise self._placed(point, error) from None
        found = _Data(spec.data, resolve_paths(spec).data, description)
        self._data[place] = found
        return found

    def _check_fit(self, spec: Spec, data: Any, description: Description, point: Point) -> None:
        """Whether the network fits the data, and both the memory."""
        try:
            place: Any = (data, spec.training.batch_size, spec.network)
            known = place in self._fitting
        except TypeError:  # a layer of the user's own that cannot be hashed
            known, place = False, None
        if known:
            return
        try:
            check(spec, description)
        except BpcliError as error:
            raise self._placed(point, error) from None
        if len(self._fitting) >= _MOST:
            self._fitting.clear()
        if place is not None:
            self._fitting.add(place)

    def _placed(self, point: Point, error: BpcliError) -> SpecError:
        """The same error once more, with its place in the file, and with the settings that lead to
        it unless it is there without them."""
        problems = self._problems(point) or [Problem(str(error))]
        if self._without is None:
            self._without = set(map(str, self._problems(())))
        under = f"; with {', '.join(point)}" if point else ""
        return SpecError([
            problem
            if str(problem) in self._without
            else replace(problem, message=f"{problem.message}{under}")
            for problem in problems
        ])  # fmt: skip

    def _problems(self, point: Point) -> list[Problem]:
        """All that is wrong at a point, with its places."""
        try:
            plan(self.template.spec([*self.settings, *point]))
        except SpecError as error:
            return list(error.problems)
        except BpcliError as error:
            return [Problem(str(error))]
        return []
