"""Every threshold of the rules, each with its reason. A spec may set them by name:

    diagnosis: {thresholds: {dead_share: 0.7}}

None of them depends on the scale of the loss or the size of a batch: they are ratios, shares, and
differences of logarithms (nats: 1 nat is a factor e).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bpcli.errors import Problem
from bpcli.spec.model import Spec
from bpcli.spec.suggestions import did_you_mean


def threshold(value: float, reason: str) -> Any:
    return field(default=value, metadata={"reason": reason})


@dataclass(frozen=True)
class Thresholds:
    """By name; :func:`reasons` tells why each is what it is."""

    # consequences
    failing_share: float = threshold(
        0.5,
        "less than half of the way from chance to a plain learner on the same data is a failure",
    )
    still_share: float = threshold(
        0.05,
        "a loss of which less than a twentieth is gone, where chance is the start, stands still",
    )
    unfinished_share: float = threshold(
        0.1,
        "a run that was cut short may only be slow: it fails if it covers less than a tenth of "
        "what the plain learner does in as many steps",
    )
    blown_up: float = threshold(
        2.0,
        "times the first loss, in every later line of a log too short for averages: batches alone "
        "do not scatter as far",
    )
    fewest_steps: float = threshold(
        10.0,
        "updates: fewer say nothing of where training leads, Adam's mean gradient alone takes ten",
    )
    cured_share: float = threshold(
        0.6, "an experiment cures if it passes the line of failure by more than its noise"
    )
    attainable_share: float = threshold(
        0.75,
        "outputs whose best possible loss removes less than three quarters of chance's loss cannot "
        "fit the targets, whatever is trained",
    )
    # gradients
    gradient_total: float = threshold(
        4.0,
        "nats between the first and the last layer: the far layer gets 2% or 50 times the gradient "
        "of the near one, beyond what per-parameter learning rates are tuned for",
    )
    gradient_slope: float = threshold(
        0.1, "nats a layer: below, decay over 40 layers is within what initialisation scatters"
    )
    remark_slope: float = threshold(
        0.7,
        "nats a layer: one that gets less than half of what the next one gets is worth a remark, "
        "harmless as it may be",
    )
    slope_errors: float = threshold(
        3.0, "standard errors that a slope must differ from 0 by: chance passes once in 400"
    )
    time_total: float = threshold(
        4.6, "nats through time: 99% of the gradient by the far state is gone"
    )
    still_layer_ratio: float = threshold(
        0.02,
        "a layer whose parameters move, relative to their size, less than a fiftieth as far as the "
        "layers near the output stands still",
    )
    total_when_failing: float = threshold(
        2.0,
        "nats over the network that explain a failure where nothing else does: a factor of 7 is "
        "harmless by itself",
    )
    wrong_gradient: float = threshold(
        1e-3,
        "relative error of a gradient: rounding in a chaotic network stays below, and what is "
        "smaller makes no gradient vanish",
    )
    # signals
    activation_slope: float = threshold(
        0.2, "nats a layer: a deviation of weights 1.2 times too small or large gives as much"
    )
    activation_total: float = threshold(
        4.0, "nats from the first to the last hidden layer, as for gradients"
    )
    activation_size: float = threshold(
        1e3, "a root mean square at which float32 has lost what distinguishes examples in logits"
    )
    collapse_spread: float = threshold(
        0.01,
        "variance between examples, as a share of the mean square: under 1% all examples look "
        "alike to the layers that follow",
    )
    # units
    dead_share: float = threshold(
        0.5, "half of a layer's units silent on all data: half its width is wasted"
    )
    saturated_share: float = threshold(
        0.5, "half of a layer's values where the slope is below a tenth of its largest"
    )
    # inputs and learning rate
    input_size: float = threshold(
        10.0,
        "a root mean square of the inputs: initialisations are made for 1, and gradients by the "
        "first weights grow with the square of it",
    )
    input_spread: float = threshold(
        30.0, "largest over median deviation of the columns: the large ones drown the others"
    )
    large_update: float = threshold(
        0.1, "‖ΔW‖ / ‖W‖ a step: a hundred times the usual 1e-3 (Karpathy, CS231n)"
    )
    small_update: float = threshold(
        1e-5, "‖ΔW‖ / ‖W‖ a step: a hundred times below the usual 1e-3 (Karpathy, CS231n)"
    )

    def when_failing(self) -> Thresholds:
        """Those for a second look, where training fails and the first one found nothing."""
        total = self.total_when_failing
        return replace(self, gradient_total=total, activation_total=total)

    def with_values(self, values: Mapping[str, float]) -> Thresholds:
        return replace(self, **values)


def reasons() -> dict[str, tuple[float, str]]:
    """Name -> (value, reason)."""
    return {each.name: (each.default, each.metadata["reason"]) for each in fields(Thresholds)}  # type: ignore[misc]


def threshold_problems(spec: Spec) -> list[Problem]:
    """A problem for each name in `diagnosis.thresholds` that there is not."""
    known = {each.name for each in fields(Thresholds)}
    problems = []
    for name, _ in spec.diagnosis.thresholds:
        if name not in known:
            path = f"diagnosis.thresholds.{name}"
            hint = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
            message = f"unknown threshold {name!r} at {path}{hint}"
            problems.append(Problem(message, spec.source.file, *spec.source.place(path)))
    return problems
