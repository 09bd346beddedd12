"""A sweep from its axes to its results; what was finished before is not done again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpcli.errors import BpcliError
from bpcli.spec.load import Template
from bpcli.spec.model import Spec
from bpcli.sweep.axes import Axis, Point, grid, sample, size
from bpcli.sweep.engines import Engine
from bpcli.sweep.jobs import Job, check_all, make_jobs
from bpcli.sweep.results import Results

_KEPT = 5_000  # jobs are held in memory, so that their specs are read once; more are read twice


@dataclass
class Sweep:
    """One spec, what is varied, and what is done at each point."""

    template: Template
    axes: Sequence[Axis]
    do: str = "train"
    settings: tuple[str, ...] = ()  # of every job
    samples: int | None = None
    sample_seed: int = 0
    _jobs: list[Job] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        paths = [path for axis in self.axes for path in axis.paths]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise BpcliError(f"{twice} is varied twice; give all its values in one --vary")

    def __len__(self) -> int:
        total = size(self.axes)
        return total if self.samples is None else min(self.samples, total)

    def points(self) -> Iterator[Point]:
        if self.samples is None:
            return grid(self.axes)
        return sample(self.axes, self.samples, self.sample_seed)

    def parse(self, point: Point) -> Spec:
        return self.template.spec([*self.settings, *point])

    def check(self) -> int:
        """Checks every job's spec before anything starts; raises SpecError. Returns the count."""
        if len(self) > _KEPT:
            return check_all(self.points(), self.parse)
        specs: list[Spec] = []

        def parse(point: Point) -> Spec:
            specs.append(self.parse(point))
            return specs[-1]

        count = check_all(self.points(), parse)
        ready = iter(specs)
        self._jobs = list(make_jobs(self.points(), lambda _: next(ready), self.do))
        return count

    def jobs(self) -> Iterator[Job]:
        """All jobs in order; after :meth:`check`."""
        if self._jobs:
            return iter(self._jobs)
        return make_jobs(self.points(), self.parse, self.do)


@dataclass
class Progress:
    """How far a sweep is."""

    jobs: int
    before: int = 0  # recorded by an earlier, interrupted sweep
    done: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        return self.jobs - self.before - self.done


def run(
    sweep: Sweep,
    engine: Engine,
    results: Results,
    *,
    on_line: Callable[[dict[str, Any], Progress], None] = lambda line, progress: None,
) -> Progress:
    """Runs the jobs that have no result yet; each line is recorded as its job ends.

    Raises SpecError before anything starts, WriteError where a result could not be kept.
    """
    progress = Progress(sweep.check())
    known = results.open()
    try:
        for line in engine.run(_unknown(sweep.jobs(), known, progress)):
            results.append(line)
            progress.done += 1
            progress.failed += "error" in line
            on_line(line, progress)
    finally:
        results.close()
    return progress


def _unknown(jobs: Iterable[Job], known: set[str], progress: Progress) -> Iterator[Job]:
    for job in jobs:
        if job.key in known:
            progress.before += 1
        else:
            known.add(job.key)
            yield job


def default_folder(template: Template, root: Path = Path("sweeps")) -> Path:
    """`sweeps/NAME`; the same command goes on where it was."""
    from bpcli.training.run_directory import safe_name

    return root / safe_name(template.name)


def first(sweep: Sweep, count: int) -> list[Job]:
    """The first jobs, for a preview."""
    return list(itertools.islice(sweep.jobs(), count))
