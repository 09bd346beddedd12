"""Experiments: the same short training with one thing changed."""

from __future__ import annotations

from dataclasses import replace

from bpcli.build import network_on
from bpcli.data import Dataset, load_data
from bpcli.diagnosis.reference import Expectation
from bpcli.diagnosis.trial import run_trial
from bpcli.spec.model import Spec

STANDARD_INPUTS = "standard inputs"
_RATE = "learning_rate*"


class Laboratory:
    """Runs an experiment once and keeps what came of it.

    An experiment is named ``learning_rate*FACTOR`` or ``standard inputs``.
    """

    def __init__(self, spec: Spec, dataset: Dataset, expected: Expectation, steps: int) -> None:
        self.spec, self.dataset = spec, dataset
        self.expected, self.steps = expected, steps
        self.results: dict[str, float | None] = {}

    def share(self, experiment: str) -> float | None:
        """The share of the way from chance to the plain learner's score; None where that is no
        better than chance, so that no experiment can tell."""
        if experiment not in self.results:
            self.results[experiment] = self._run(experiment)
        return self.results[experiment]

    def _run(self, experiment: str) -> float | None:
        spec, dataset = self.spec, self.dataset
        if experiment == STANDARD_INPUTS:
            spec = replace(spec, data=replace(spec.data, scale="standard"))
            dataset = load_data(spec)
        else:
            rate = spec.optimizer.learning_rate * float(experiment.removeprefix(_RATE))
            spec = replace(spec, optimizer=replace(spec.optimizer, learning_rate=rate))  # type: ignore[type-var]
        trial = run_trial(spec, dataset, spec.seed, self.steps, network=network_on(spec, dataset))
        if trial.non_finite is not None:
            return 0.0
        share = self.expected.share_of_score(trial.best_score)
        of_loss = self.expected.share_of_loss(trial.last_loss)
        return share if share is None or of_loss is None else max(share, of_loss)
