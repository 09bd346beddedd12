"""Flags findings while a network trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpcli.build import network_on
from bpcli.data import Dataset
from bpcli.diagnosis.diagnosis import diagnose
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.facts import inputs_of, outputs_of
from bpcli.diagnosis.finding import SEVERITIES, Finding
from bpcli.diagnosis.layer_facts import layers_of, symmetric_layers
from bpcli.diagnosis.log import read_log
from bpcli.diagnosis.measurement import batches_of, measure
from bpcli.diagnosis.options import options_of
from bpcli.diagnosis.recorder import Recorder
from bpcli.diagnosis.reference import chance_outputs, constant_loss
from bpcli.diagnosis.rules.loss_stands_still import LossStandsStill
from bpcli.diagnosis.statistics import median
from bpcli.diagnosis.trial import sample
from bpcli.diagnosis.verdict import Verdict
from bpcli.errors import DataError
from bpcli.network import Network
from bpcli.spec.model import Spec
from bpcli.training import Listener, NonFinite, Outcome, StepEvent, Trainer

_LOOKS = 20  # at the rules in the course of a run
_PATIENCE = 50  # steps before a loss can be said to stand still
_LINES = 200  # recorded steps that are kept, at equal distances


class Watch(Listener):
    """Looks at a run's recorded steps and tells of each new finding, once.

    Training fails here if the loss is no lower than that of the best constant answer, after an
    eighth of the run; there are no experiments. ``findings`` holds what was found, and at the end
    of the run what holds of the whole of it. Raises SpecError on names in `diagnosis` that there
    are not.
    """

    def __init__(
        self,
        spec: Spec,
        dataset: Dataset,
        network: Network,
        tell: Callable[[Finding], None] = lambda finding: None,
    ) -> None:
        self.options = options_of(spec)
        self.spec, self.dataset, self.tell = spec, dataset, tell
        self.findings: tuple[Finding, ...] = ()
        self._told: dict[str, int] = {}  # name -> the gravest severity told
        self._lines: list[dict[str, Any]] = []
        self._losses: Sequence[float] = ()  # of the latest steps
        part = sample(dataset.train)
        self.chance = constant_loss(spec, chance_outputs(spec, part.targets), part.targets)
        self.evidence = Evidence(
            layers_of(network),
            self.options.thresholds,
            inputs=inputs_of(part),
            outputs=outputs_of(spec, network, part),
            learning_rate=spec.optimizer.learning_rate,
            symmetric=symmetric_layers(network),
        )
        self._batches = batches_of(dataset.train, 1)

    def started(self, trainer: Trainer) -> None:
        """Knows of a run that is resumed what it knew before."""
        self.total, steps = trainer.stepper.total_steps, trainer.stepper.steps
        self._next, self._failed = 0, False  # the next look; what the last one saw
        if isinstance(trainer.recorder, Recorder):
            self._losses = trainer.recorder.losses
        network = trainer.network
        if steps:
            network = network_on(self.spec, self.dataset)
            for line in self._lines_of(trainer):
                self._keep(line)
        with np.errstate(all="ignore"):
            self.evidence.start = measure([network], self._batches)

    def _lines_of(self, trainer: Trainer) -> list[dict[str, Any]]:
        """The recorded steps so far; none where their log is lost."""
        if trainer.run is None:
            return []
        try:
            return read_log(trainer.run.gradients.path)
        except DataError:
            return []

    def _keep(self, line: Mapping[str, Any]) -> None:
        self._lines.append({name: line[name] for name in ("step", "loss", "layers")})
        if len(self._lines) > _LINES:
            del self._lines[10::2]

    def stepped(self, step: StepEvent) -> None:
        if step.layers is None:
            return
        self._keep(step._asdict())
        if step.step >= self._next:
            self._next = step.step + max(self.total // _LOOKS, 1)
            if step.step >= min(_PATIENCE, self.total // 2):
                self._look_in_passing(self._verdict(step.step))

    def finished(self, outcome: Outcome) -> None:
        self._look(self._verdict(outcome.steps, outcome.non_finite), outcome.non_finite)

    def _verdict(self, step: int, non_finite: NonFinite | None = None) -> Verdict:
        if non_finite is not None:
            return Verdict(fails=True)
        if not self._lines or not self.chance > 0:
            return Verdict()
        removed = 1 - median(self._losses) / self.chance
        still = removed < self.options.thresholds.still_share
        if still and step < max(_PATIENCE, self.total // 8):
            return Verdict(None, removed=removed)
        return Verdict(still, removed=removed)

    def _look_in_passing(self, verdict: Verdict) -> None:
        """Only where training failed at the look before too: many a loss stands still for a while
        and then falls."""
        failed, self._failed = self._failed, bool(verdict.fails)
        if failed or not verdict.fails:
            self._look(verdict)

    def _look(self, verdict: Verdict, non_finite: NonFinite | None = None) -> None:
        if verdict.fails is None:
            return
        evidence = self.evidence.with_run(self._lines, verdict, non_finite)
        # a run alone has no plain network beside it, which that finding is held against
        ignore = (*self.options.ignore, LossStandsStill.name)
        found = diagnose(evidence, ignore).findings
        self.findings = found
        for finding in found:
            rank = SEVERITIES.index(finding.severity)
            if rank < self._told.get(finding.name, len(SEVERITIES)):
                self._told[finding.name] = rank
                self.tell(finding)
