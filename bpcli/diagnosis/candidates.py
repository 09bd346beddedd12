"""Training candidates for a cure, all alike: the same data, steps and seeds."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bpcli.build import network_on
from bpcli.data import Dataset, load_data
from bpcli.diagnosis.finding import Change
from bpcli.diagnosis.remedies import Course
from bpcli.diagnosis.trial import Trial, affordable_steps, run_trial, seeds_from, total_steps
from bpcli.errors import BpcliError
from bpcli.spec.data import DataOptions
from bpcli.spec.model import Spec

SEEDS = 3
_SETTLED = 3  # of a trial's looks, the last ones, whose mean counts
_WORST = -1.0  # a score below that of chance by so much is no worse than any other


@dataclass
class Candidate:
    """A spec that changes make of the patient, and what training it came to, seed by seed."""

    course: Course
    description: str
    changes: tuple[Change, ...]
    spec: Spec
    trials: list[Trial] = field(default_factory=list)

    @property
    def intrusion(self) -> int:
        return intrusion(self.course)

    @property
    def score(self) -> float:
        """The median over the seeds."""
        return statistics.median(map(settled_score, self.trials))

    @property
    def loss(self) -> float:
        return statistics.median(trial.last_loss for trial in self.trials)


def intrusion(course: Course) -> int:
    """How much of a design it touches."""
    return sum(treatment.intrusion for treatment in course)


def settled_score(trial: Trial) -> float:
    """The mean of the last scores: what training holds, not what it once passed through."""
    last = [score.score for score in trial.scores[-_SETTLED:]]
    if trial.non_finite is not None or not last or not all(map(math.isfinite, last)):
        return _WORST
    return max(_WORST, statistics.fmean(last))


@dataclass
class Budget:
    """Seconds and training runs that may be spent; a run under way is always finished."""

    seconds: float = math.inf
    runs: float = math.inf
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.start, self.spent = self.clock(), 0

    def left(self) -> float:
        """The share that is left, of what is scarcer."""
        elapsed = self.clock() - self.start
        return min(1 - elapsed / self.seconds, 1 - self.spent / self.runs)


class Bench:
    """Where candidates are trained; a data set is read once for all that share its options."""

    def __init__(self, spec: Spec, dataset: Dataset, budget: Budget, *, share: float) -> None:
        """A run takes no more than that share of the budget's seconds."""
        self.budget, self.seed = budget, spec.seed
        self._datasets: dict[DataOptions, Dataset] = {spec.data: dataset}
        self.steps = total_steps(spec, dataset.train)
        if math.isfinite(budget.seconds):
            network = network_on(spec, dataset)
            seconds = budget.seconds * share
            affordable = affordable_steps(network, spec.training.batch_size, seconds)
            self.steps = min(self.steps, affordable)

    def train(self, candidate: Candidate, seeds: int = 1) -> None:
        """On the spec's seed and others after it, those that are not done yet; once the budget is
        spent on one at least.

        One that cannot be built or trained counts as the worst there is.
        """
        for seed in self.seeds(seeds)[len(candidate.trials) :]:
            if candidate.trials and self.budget.left() <= 0:
                return
            self.budget.spent += 1
            try:
                trial = run_trial(candidate.spec, self.dataset(candidate.spec), seed, self.steps)
            except BpcliError:
                trial = Trial(seed, self.steps)
            candidate.trials.append(trial)

    def seeds(self, count: int = SEEDS) -> Sequence[int]:
        return seeds_from(self.seed, count)

    def dataset(self, spec: Spec) -> Dataset:
        if spec.data not in self._datasets:
            self._datasets[spec.data] = load_data(spec)
        return self._datasets[spec.data]
