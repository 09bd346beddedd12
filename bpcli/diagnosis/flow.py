"""How gradients and signals change from layer to layer: slopes over the trunk of a network.

The trunk is the way from inputs to outputs: its layers that multiply (dense, conv, recurrent,
attention), where a residual block counts once, at its output. ln ‖∂L/∂y‖ by layer going backward
has the slope ½ ln χ₁ in theory; negative vanishes, positive explodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpcli.diagnosis.statistics import Line, logarithmic_slope

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class LayerFacts:
    """A layer as the rules know it; a log from elsewhere tells its name alone."""

    name: str
    kind: str
    units: int = 0
    weighted: bool = True
    trunk: bool = True
    activation: str = ""  # the activation that follows before the next weights
    place: str = ""  # in the spec
    normalized: bool = False  # whether a normalization follows before the activation
    gain: float | None = None  # fan_in E w², of layers with a weight
    critical_gain: float | None = None  # at which its activation is critical
    chi: float | None = None  # gain · E φ'² at the signal that theory predicts
    bias: float = 0.0  # its mean
    last_state_only: bool = True  # a recurrent layer that returns its last state
    spectral_radius: float | None = None  # of recurrent weights
    largest_singular_value: float | None = None


@dataclass(frozen=True)
class Decay:
    """How a quantity changes over the trunk at one moment."""

    slope: float  # nats a layer, in the direction of travel
    error: float  # of the slope; nan for two layers
    total: float  # nats from one end to the other
    zeros: tuple[str, ...] = ()  # layers where it is exactly 0 although it is not at the start

    def is_clear(self, errors: float) -> bool:
        """Whether the slope differs from 0 by so many standard errors."""
        return math.isnan(self.error) or abs(self.slope) > errors * self.error


def gradient_decay(figures: Mapping[str, Figures], trunk: Sequence[str]) -> Decay | None:
    """Of ‖∂L/∂y‖ going backward from the last layer of the trunk to the first.

    None where fewer than two layers have a gradient that is finite and not 0. A layer's
    ``gradient_norm`` stands in where there are no ``delta_norm``.
    """
    key = "delta_norm" if any(_value(figures, n, "delta_norm") is not None for n in trunk) else ""
    return _decay(list(reversed(trunk)), figures, key or "gradient_norm")


def activation_decay(figures: Mapping[str, Figures], trunk: Sequence[str]) -> Decay | None:
    """Of the root mean square of the hidden layers' outputs, going forward."""
    return _decay(list(trunk[:-1]) if len(trunk) > 2 else list(trunk), figures, "activation_rms")


def time_decay(norms: Sequence[float]) -> Decay | None:
    """Of ‖∂L/∂hₜ‖ going back in time from the last step."""
    backward = list(reversed(norms))
    return _decay_of(backward, [str(len(norms) - n) for n in range(len(norms))])


def _value(figures: Mapping[str, Figures], name: str, key: str) -> float | None:
    value = figures.get(name, {}).get(key)
    return None if value is None else float(value)


def _decay(names: list[str], figures: Mapping[str, Figures], key: str) -> Decay | None:
    pairs = [(name, _value(figures, name, key)) for name in names]
    known = [(name, value) for name, value in pairs if value is not None]
    return _decay_of([value for _, value in known], [name for name, _ in known])


def _decay_of(values: Sequence[float], names: Sequence[str]) -> Decay | None:
    """``values`` in the direction of travel."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    positive = [value for value in values if value > 0]
    zeros: tuple[str, ...] = ()
    if values[0] > 0:
        zeros = tuple(name for name, value in zip(names, values, strict=True) if value == 0)
    line: Line | None = logarithmic_slope(values)
    if line is None:
        return Decay(-math.inf, math.nan, -math.inf, zeros) if zeros else None
    total = math.log(positive[-1] / positive[0])
    return Decay(line.slope, line.error, total, zeros)
