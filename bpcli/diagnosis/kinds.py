"""What the statistics need to know of layers by their kind: facts about layers, as data."""

from __future__ import annotations

from typing import NamedTuple

from bpcli.network import Node

# layers that multiply by weights: the ones that slopes run over
MULTIPLYING = ("dense", "conv1d", "conv2d", "rnn", "lstm", "gru", "attention")
RECURRENT = ("rnn", "lstm", "gru")
NORMALIZING = ("batch_norm", "layer_norm", "rms_norm")


class Range(NamedTuple):
    """The values that an activation approaches but never passes."""

    low: float
    high: float


# where an activation is flat on both sides: units pressed there pass no gradient
SATURATING = {"tanh": Range(-1.0, 1.0), "sigmoid": Range(0.0, 1.0)}
SATURATION_MARGIN = 0.025  # of the range: tanh beyond ±0.95, where its slope is below a tenth
DYING = ("relu",)  # exactly flat on one side: a unit that stays there never comes back


def activation_kind(node: Node) -> str:
    """The activation that a layer applies: itself, or the one inside a recurrent layer."""
    if node.layer.name == "rnn":
        return str(getattr(node.layer, "activation", "tanh"))
    return "tanh" if node.layer.name in RECURRENT else node.layer.name


def saturation_bounds(node: Node) -> Range | None:
    """(low, high): values at or beyond them are saturated; None where nothing saturates."""
    full = SATURATING.get(activation_kind(node))
    if full is None or node.layer.name in (
        "lstm",
        "gru",
    ):  # a gate times a tanh: no range of its own
        return None
    margin = SATURATION_MARGIN * (full.high - full.low)
    return Range(full.low + margin, full.high - margin)


def can_die(node: Node) -> bool:
    return activation_kind(node) in DYING
