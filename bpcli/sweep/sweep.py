"""A sweep from its axes to its results; what was finished before is not done again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpcli.errors import BpcliError
from bpcli.spec.load import Template
from bpcli.sweep.axes import Axis, Point, grid, sample, size
from bpcli.sweep.checking import Checking
from bpcli.sweep.engines import Engine
from bpcli.sweep.jobs import Job, make_jobs
from bpcli.sweep.results import Results

MOST_JOBS = 1_000_000
_KEPT = 50_000  # jobs are held in memory, so that their specs are read once; more are read twice


@dataclass
class Sweep:
    """One spec, what is varied, and what is done at each point."""

    template: Template
    axes: Sequence[Axis]
    do: str = "train"
    settings: tuple[str, ...] = ()  # of every job
    samples: int | None = None
    sample_seed: int = 0
    files: tuple[Path, ...] = field(default=(), init=False)  # of all jobs' data, once checked
    _jobs: list[Job] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        paths = [path for axis in self.axes for path in axis.paths]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise BpcliError(f"{twice} is varied twice; give all its values in one --vary")
        if self.count > MOST_JOBS:
            raise BpcliError(
                f"the sweep has {self.count:,} jobs, at most {MOST_JOBS:,} are allowed; vary less, "
                "or --samples N takes some of them at random"
            )

    @property
    def count(self) -> int:
        """How many jobs there are."""
        total = size(self.axes)
        return total if self.samples is None else min(self.samples, total)

    def points(self) -> Iterator[Point]:
        if self.samples is None:
            return grid(self.axes)
        return sample(self.axes, self.samples, self.sample_seed)

    def check(self) -> int:
        """Checks every job's spec before anything starts; raises SpecError. Returns the count."""
        checking = Checking(self.template, self.settings)
        jobs = make_jobs(checking.all(self.points()), self.do)
        if self.count <= _KEPT:
            self._jobs = list(jobs)
        else:
            for _ in jobs:
                pass
        self.files = tuple(checking.files)
        return self.count

    def jobs(self) -> Iterator[Job]:
        """All jobs in order; raises SpecError unless :meth:`check` found nothing."""
        if self._jobs:
            return iter(self._jobs)
        checking = Checking(self.template, self.settings)
        return make_jobs(checking.all(self.points()), self.do)

    def job(self, index: int) -> Job:
        """One job, for a preview."""
        return next(itertools.islice(self.jobs(), index, None))


@dataclass
class Progress:
    """How far a sweep is."""

    jobs: int
    before: int = 0  # recorded by an earlier, interrupted sweep
    alike: int = 0  # with the spec of another job: these are run once
    done: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        return self.jobs - self.before - self.alike - self.done


def run(
    sweep: Sweep,
    engine: Engine,
    results: Results,
    *,
    on_line: Callable[[dict[str, Any], Progress], None] = lambda line, progress: None,
) -> Progress:
    """Runs the jobs that have no result yet; each line is recorded as its job ends.

    Raises SpecError and the engine's errors before anything starts, WriteError where a result
    could not be kept.
    """
    progress = Progress(sweep.check())
    with engine.ready(sweep.files), results:
        for line in engine.run(_unknown(sweep.jobs(), results, progress)):
            results.append(line)
            progress.done += 1
            progress.failed += "error" in line
            on_line(line, progress)
    return progress


def _unknown(jobs: Iterable[Job], results: Results, progress: Progress) -> Iterator[Job]:
    """The jobs whose results are not known, each once."""
    for job in jobs:
        if not results.expect(job):
            progress.alike += 1
        elif results.has(job):
            progress.before += 1
        else:
            yield job


def default_folder(template: Template, root: Path = Path("sweeps")) -> Path:
    """`sweeps/NAME`; the same command goes on where it was."""
    from bpcli.training.run_directory import safe_name

    return root / safe_name(template.name)
