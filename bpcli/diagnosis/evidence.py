"""All that is known about a subject, for the rules to judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bpcli.data import Description
from bpcli.diagnosis.facts import Inputs, Outputs
from bpcli.diagnosis.finding import Severity
from bpcli.diagnosis.flow import (
    Decay,
    Figures,
    LayerFacts,
    activation_decay,
    gradient_decay,
)
from bpcli.diagnosis.measurement import Measurement
from bpcli.diagnosis.prediction import Prediction
from bpcli.diagnosis.statistics import median
from bpcli.diagnosis.thresholds import Thresholds
from bpcli.diagnosis.verdict import Verdict
from bpcli.network import Network
from bpcli.spec.model import Spec
from bpcli.training import NonFinite

Line = Mapping[str, Any]  # of gradients.jsonl


@dataclass(frozen=True)
class Moment:
    """A recorded step of one run, or the start of all: figures by layer."""

    step: int
    figures: Mapping[str, Figures]


@dataclass(frozen=True)
class Subject:
    """What was built to be looked at: a spec with its network, as it starts, and its data."""

    spec: Spec
    network: Network
    description: Description


@dataclass
class Evidence:
    """What the rules read. Parts that the subject does not have are None or empty: a log has no
    measurement at its start, a network that was only looked at has no runs."""

    layers: tuple[LayerFacts, ...]
    thresholds: Thresholds
    start: Measurement | None = None
    runs: Sequence[Sequence[Line]] = ()  # recorded steps, a sequence for each run
    ends: Sequence[Measurement] = ()  # after each run
    losses: Sequence[Sequence[float]] = ()
    verdict: Verdict = field(default_factory=Verdict)
    non_finite: Sequence[NonFinite | None] = ()  # of each run
    prediction: Prediction | None = None
    inputs: Inputs | None = None
    outputs: Outputs | None = None
    subject: Subject | None = None
    learning_rate: float | None = None
    experiment: Callable[[str], float | None] | None = None
    wrong_gradients: Sequence[tuple[str, str]] = ()  # (layer, what is wrong)
    symmetric: frozenset[str] = frozenset()  # layers whose units are alike and stay so

    def with_run(
        self, lines: Sequence[Line], verdict: Verdict, non_finite: NonFinite | None
    ) -> Evidence:
        """The same subject with a run."""
        return replace(self, runs=[lines], verdict=verdict, non_finite=[non_finite])

    def with_thresholds(self, thresholds: Thresholds) -> Evidence:
        return replace(self, thresholds=thresholds)

    @cached_property
    def trunk(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers if layer.trunk)

    def facts(self, name: str) -> LayerFacts:
        return next(layer for layer in self.layers if layer.name == name)

    # moments

    @cached_property
    def beginning(self) -> Moment | None:
        return Moment(0, self.start.layers) if self.start is not None else None

    @cached_property
    def recorded(self) -> list[list[Moment]]:
        return [[_moment(line) for line in run] for run in self.runs]

    def moments(self) -> Iterator[Moment]:
        """The start, then the steps of the first run."""
        if self.beginning is not None:
            yield self.beginning
        if self.recorded:
            yield from self.recorded[0]

    def early(self, count: int = 5) -> list[Moment]:
        """The start and the first recorded steps of every run."""
        first = [moment for run in self.recorded for moment in run[:count]]
        return ([self.beginning] if self.beginning else []) + first

    # flows

    def gradient_decay(self, moment: Moment) -> Decay | None:
        return gradient_decay(moment.figures, self.trunk)

    def activation_decay(self, moment: Moment) -> Decay | None:
        return activation_decay(moment.figures, self.trunk)

    def first_with(self, shows: Callable[[Moment], bool]) -> int | None:
        """The first step from which on most moments show it; None if it never comes to that.

        The start counts by itself: it is measured over several seeds and batches.
        """
        if self.beginning is not None and shows(self.beginning):
            return 0
        for run in self.recorded[:1]:
            shown = [shows(moment) for moment in run]
            for place, moment in enumerate(run):
                rest = shown[place:]
                if shown[place] and 2 * sum(rest) > len(rest):
                    return moment.step
        return None

    # consequences

    @cached_property
    def update_ratios(self) -> dict[str, float]:
        """Median over all recorded steps but the first few of ‖ΔW‖ / ‖W‖, by layer."""
        found: dict[str, list[float]] = {}
        for run in self.recorded:
            for moment in run[min(2, len(run) - 1) :]:
                for name, figures in moment.figures.items():
                    ratio = figures.get("update_ratio")
                    if ratio is not None and math.isfinite(ratio):
                        found.setdefault(name, []).append(ratio)
        return {name: median(ratios) for name, ratios in found.items()}

    def standing_still(self) -> tuple[str, ...]:
        """Layers that move far less than the one that moves most, by their size."""
        ratios = {n: r for n, r in self.update_ratios.items() if self.facts(n).trunk}
        if len(ratios) < 2:
            return ()
        most = max(ratios.values())
        limit = self.thresholds.still_layer_ratio * most
        return tuple(name for name, ratio in ratios.items() if most > 0 and ratio < limit)

    def most_moved(self) -> tuple[str, ...]:
        """The layer with the largest update:weight ratio."""
        ratios = self.update_ratios
        return (max(ratios, key=lambda name: ratios[name]),) if ratios else ()

    def rate_may_be_too(self, how: str) -> bool:
        """Whether it is worth a try: not where the updates are plainly of the other kind."""
        largest = max(self.update_ratios.values(), default=None)
        if any(self.non_finite) or largest is None:
            return how == "high"
        if how == "high":  # units that a first step threw out to where they are flat stand still
            first = max(self._early_ratios(), default=0.0)
            return max(largest, first) > 100 * self.thresholds.small_update
        return largest < self.thresholds.large_update

    def _early_ratios(self) -> Iterator[float]:
        for moment in self.early():
            for name in self.trunk:
                ratio = moment.figures.get(name, {}).get("update_ratio")
                if ratio is not None and math.isfinite(ratio):
                    yield ratio

    @property
    def fails(self) -> bool | None:
        return self.verdict.fails

    def severity(self, *, harm: bool, explained: bool = True) -> Severity | None:
        """Error where training fails; where it does well a warning if there is some harm, else
        nothing; by the harm alone where nobody knows how training goes. A remark, then, of what
        has no cause (``explained``) and did no harm in the steps that were trained."""
        if self.fails:
            return "error"
        if self.fails is None and not (harm or explained) and self._was_tried:
            return "info"
        if self.fails is None:
            return "error" if harm else "warning"
        return "warning" if harm else None

    @property
    def _was_tried(self) -> bool:
        return self.start is not None and bool(self.runs)


def _moment(line: Line) -> Moment:
    return Moment(int(line["step"]), {each["name"]: each for each in line["layers"]})
