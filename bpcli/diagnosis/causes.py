"""Why gradients or signals vanish or explode: causes as words, with a sentence for people.

A cause is read off the network as it is built: the gain of its weights against the one at which
its activation is critical, its activations, normalizations, biases and widths.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.flow import LayerFacts
from bpcli.diagnosis.kinds import SATURATING
from bpcli.diagnosis.theory import inverse_width_sum

_FAR = 1.5  # times the critical gain: what an initializer for another activation is off by
_NARROW = 0.5  # β = Σ 1/width: gradients of ReLU networks spread over seeds as e^β does
_SMALL_RADIUS = 0.9  # a linear recurrence leaves 1% after 44 steps
_REACH = 3.0  # of a bias: a signal of size 1 does not lead back from there
_FLAT = ("sigmoid", "softplus", "softmax")  # of a slope that is below 1 everywhere
_STEEP = ("exponential",)


class Cause(NamedTuple):
    word: str | None  # None: what is seen, without a reason that would make it fail
    sentence: str
    figures: dict[str, Any] = {}  # noqa: RUF012  never changed


def zero_output(evidence: Evidence) -> bool:
    """Whether the last weights start at 0: then no other layer has a gradient at the first step."""
    last = next((each for each in reversed(evidence.layers) if each.trunk), None)
    return last is not None and last.gain == 0


def of_vanishing(evidence: Evidence) -> Cause | None:
    hidden = _hidden(evidence)
    for find in (
        _zero_weights, _negative_bias, _large_biases, _flat_activation, _small_weights, _narrow,
    ):  # fmt: skip
        cause = find(evidence, hidden)
        if cause is not None:
            return cause
    return None


def of_exploding(evidence: Evidence) -> Cause | None:
    hidden = _hidden(evidence)
    for find in (_steep_activation, _batch_norm, _large_weights, _large_inputs):
        cause = find(evidence, hidden)
        if cause is not None:
            return cause
    return None


def of_saturation(evidence: Evidence) -> Cause | None:
    return _large_biases(evidence, _hidden(evidence)) or of_exploding(evidence)


def of_dead_units(evidence: Evidence) -> Cause | None:
    hidden = _hidden(evidence)
    for find in (_negative_bias, _zero_weights, _large_inputs, _narrow):
        cause = find(evidence, hidden)
        if cause is not None:
            return cause
    return None


def _hidden(evidence: Evidence) -> list[LayerFacts]:
    """Layers with weights that are followed by others, those inside residual blocks apart."""
    return [each for each in evidence.layers if each.gain is not None][:-1]


_Find = Callable[[Evidence, list[LayerFacts]], Cause | None]


def _zero_weights(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    zero = [each.name for each in hidden if each.gain == 0 and each.trunk]
    return Cause("zero-init", f"the weights of {zero[0]} start at 0") if zero else None


def _negative_bias(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    biased = [each for each in hidden if each.activation == "relu" and each.bias < -1]
    if len(biased) < max(1, len(hidden) // 2):
        return None
    return Cause(
        "negative-bias",
        f"biases start at {biased[0].bias:.3g}: no input reaches beyond ReLU's kink",
    )


def _large_biases(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    bounded = [each for each in hidden if each.activation in SATURATING]
    biased = [each for each in bounded if abs(each.bias) > _REACH]
    if not biased or 2 * len(biased) < len(bounded):
        return None
    return Cause(
        "large-bias",
        f"biases start at {biased[0].bias:.3g}: out where {biased[0].activation} is flat",
    )


def _flat_activation(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    flat = [each for each in hidden if each.activation in _FLAT]
    if 2 * len(flat) < len(hidden) or not flat:
        return None
    kind = flat[0].activation
    bound = "1/4" if kind == "sigmoid" else "1"
    chi = f": χ₁ = {_chi(flat):.3g} here" if _chi(flat) is not None else ""
    return Cause("saturating-activation", f"the slope of {kind} is at most {bound}{chi}")


def _chi(layers: list[LayerFacts]) -> float | None:
    known = [each.chi for each in layers if each.chi is not None and each.chi > 0]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None


def _relative_gains(hidden: list[LayerFacts]) -> list[float]:
    """fan_in E w² over the gain at which the layer's activation is critical."""
    return sorted(
        each.gain / each.critical_gain
        for each in hidden
        if each.gain is not None and each.critical_gain and not each.normalized
    )


def _small_weights(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    gains = _relative_gains(hidden)
    if not gains or gains[len(gains) // 2] > 1 / _FAR:
        return None
    middle = gains[len(gains) // 2]
    return Cause(
        "small-init",
        f"the weights start {math.sqrt(1 / middle):.2g} times smaller than what keeps gradients",
    )


def _large_weights(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    gains = _relative_gains(hidden)
    if not gains or gains[len(gains) // 2] < _FAR:
        return None
    middle = gains[len(gains) // 2]
    return Cause(
        "large-init",
        f"the weights start {math.sqrt(middle):.2g} times larger than what keeps gradients",
    )


def _narrow(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    widths = [each.units for each in hidden if each.units]
    beta = inverse_width_sum(widths) if widths else 0.0
    if beta < _NARROW:
        return None
    return Cause("narrow-layers", f"Σ 1/width = {beta:.2g}: chance decides what passes the layers")


def _steep_activation(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    steep = [each for each in hidden if each.activation in _STEEP]
    if not steep:
        return None
    return Cause(
        "unbounded-slope", f"{steep[0].activation} grows faster than any layer can make up for"
    )


def _batch_norm(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    norms = [each for each in evidence.layers if each.kind == "batch_norm"]
    blocks = [each for each in evidence.layers if each.kind == "residual"]
    if blocks or 2 * len(norms) < len(hidden) or not norms:
        return None
    return Cause(
        "no-skip-with-batch-norm",
        "batch normalization makes gradients explode with depth where no path leads around it",
    )


def _large_inputs(evidence: Evidence, hidden: list[LayerFacts]) -> Cause | None:
    inputs = evidence.inputs
    if inputs is None or inputs.codes or inputs.root_mean_square < evidence.thresholds.input_size:
        return None
    return Cause(
        "inputs-unscaled", f"the inputs' root mean square is {inputs.root_mean_square:.2g}"
    )


def of_recurrence(evidence: Evidence, name: str, *, vanishing: bool) -> Cause:
    """By the recurrent weights: their spectral radius and largest singular value.

    Without a word where nothing follows from how they start: gates open while they train, and
    weights of σ_max ≥ 1 may as well keep the gradient.
    """
    facts = evidence.facts(name)
    figures = {
        "spectral_radius": facts.spectral_radius,
        "largest_singular_value": facts.largest_singular_value,
    }
    if facts.spectral_radius is None:
        return Cause(None, "each step back multiplies by one more Jacobian", figures)
    radius = f"the recurrent weights have a spectral radius of {facts.spectral_radius:.2g}"
    sigma = facts.largest_singular_value
    if vanishing:
        if sigma is not None and sigma < 1:
            bound = f" and σ_max = {sigma:.2g}: below 1 gradients must vanish"
            return Cause("small-recurrent-init", radius + bound, figures)
        if facts.spectral_radius > _FAR:
            saturates = radius + ": states grow until their activation is flat"
            return Cause("large-recurrent-init", saturates, figures)
        word = "small-recurrent-init" if facts.spectral_radius < _SMALL_RADIUS else None
        return Cause(word, radius, figures)
    return Cause("large-recurrent-init", radius, figures)
