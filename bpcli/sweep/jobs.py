"""The jobs of a sweep: a checked spec each, known by the hash of all that decides its result."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bpcli.errors import BpcliError, Problem, SpecError
from bpcli.spec.dump import dump_spec, resolve_paths
from bpcli.spec.model import Source, Spec
from bpcli.sweep.axes import Point, coordinates

MOST_PROBLEMS = 10  # shown of a sweep that cannot start


@dataclass(frozen=True)
class Job:
    """One point of the sweep. The spec carries no places of its file: it was checked, and what a
    worker is sent should be small."""

    number: int  # from 1, in the order of the grid
    key: str  # sha256 of the resolved spec and of what is done with it
    point: Point
    spec: Spec
    do: str

    @property
    def coordinates(self) -> dict[str, object]:
        return coordinates(self.point)


def make_jobs(points: Iterable[Point], parse: Callable[[Point], Spec], do: str) -> Iterator[Job]:
    """A job for each point; ``parse`` makes the spec under its settings, or raises SpecError."""
    for number, point in enumerate(points, 1):
        spec = resolve_paths(parse(point))
        text = dump_spec(replace(spec, name=""))
        key = hashlib.sha256(f"{do}\n{text}".encode()).hexdigest()
        spec = replace(spec, source=Source(spec.source.file, spec.source.folder))
        yield Job(number, key, point, spec, do)


def check_all(points: Iterable[Point], parse: Callable[[Point], Spec]) -> int:
    """How many points there are; raises SpecError with the problems of all that no spec accepts."""
    problems: dict[str, Problem] = {}
    count = 0
    for point in points:
        count += 1
        try:
            parse(point)
        except SpecError as error:
            problems.update((str(problem), problem) for problem in error.problems)
            if len(problems) >= MOST_PROBLEMS:
                break
    if problems:
        raise SpecError(list(problems.values())[:MOST_PROBLEMS])
    if not count:
        raise BpcliError("the sweep has no jobs; give --vary PATH=VALUES")
    return count


def result_line(job: Job, figures: dict[str, Any]) -> dict[str, Any]:
    """What `results.jsonl` keeps of a finished job."""
    return {"key": job.key, "job": job.number, "settings": job.coordinates, **figures}
