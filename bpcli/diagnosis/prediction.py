"""What mean-field theory expects of one network at initialisation, layer by layer.

Where :mod:`bpcli.diagnosis.theory` looks at endless chains, this goes through the very layers of a
network, with their widths, initializers and order. Going forward each unit's value is described by
three numbers over units and examples, going back each layer multiplies the square of the gradient
by a factor of its own: fan_in E w² for a layer with weights, E φ'² for an activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bpcli.diagnosis.expectation import Activation, hermite, moments, pair_moments
from bpcli.diagnosis.initial_moments import InitialMoments, initial_moments
from bpcli.network import Node
from bpcli.network.layer import Array
from bpcli.network.layers import activations
from bpcli.network.parameters import flatten
from bpcli.spec.initializers import Init


@dataclass(frozen=True)
class Signal:
    """The values between two layers: ``square`` E x², ``shared`` E x x' of two examples, and
    ``mean`` E x over the units.

    square - shared is the variance between examples, square - mean² that between units. Of single
    examples E x² over the units is spread, by what they are and by chance where layers are of
    finite width: ``spread`` is the variance of its logarithm.
    """

    square: float
    shared: float
    mean: float = 0.0
    spread: float = 0.0

    @property
    def correlation(self) -> float:
        return self.shared / self.square if self.square > 0 else 1.0


def signal_of(inputs: Array) -> Signal:
    """The signal of a batch of inputs."""
    rows = inputs.reshape(len(inputs), -1).astype("float64")
    with np.errstate(over="ignore", invalid="ignore"):
        columns = rows.mean(axis=0)
        squares = (rows * rows).mean(axis=1)
        square = float(squares.mean())
        known = 0 < square < math.inf  # relative to it, so that no square of a square overflows
        spread = math.log1p(float((squares / square).var())) if known else 0.0
        return Signal(square, float((columns * columns).mean()), float(rows.mean()), spread)


@dataclass(frozen=True)
class Passage:
    """What one layer does to the signal that passes it, and to the gradient that comes back."""

    signal: Signal
    # ln of E‖∂L/∂x‖ / E‖∂L/∂y‖, of examples at all points of the distribution of E x²
    log_gradient: float | Array = 0.0
    # relative variance of that factor's square over initialisations: it takes a quarter of it off
    # the expectation of the logarithm, like Hanin's 5/(4 width) a layer for ReLU
    fluctuation: float = 0.0


_POINTS = 7  # of the distribution of E x² over examples
_MOST_SPREAD = 4.0
_REACH = (1e-140, 1e140)  # of E x²: squares of it are computed
_MOST_NATS = 700.0  # of one layer: beyond, its factor is 0 or infinite in any precision


class Unpredictable(Exception):  # noqa: N818  not an error: there is no theory for this layer
    """Mean-field theory does not cover a layer; says why."""


@dataclass(frozen=True)
class Prediction:
    """For each layer, by its path: the signal after it, and ln ‖∂L/∂y‖ relative to that at the
    network's last layer; None before a layer without a theory."""

    signals: dict[str, Signal]
    log_gradients: dict[str, float | None]
    reasons: tuple[str, ...] = ()  # why parts are missing


def predict(nodes: list[Node], inputs: Signal) -> Prediction:
    """The theory for a chain of nodes, from the signal of its inputs."""
    passages, signals, reasons = _forward(nodes, inputs)
    log_gradients: dict[str, float | None] = dict.fromkeys(node.layer.path for node in nodes)
    _, weights = hermite(_POINTS)
    total: Array = np.zeros(_POINTS)
    for node, passage in zip(reversed(nodes), reversed(passages), strict=True):
        log_gradients[node.layer.path] = _over_batch(total, weights)
        if passage is None:
            break
        total = total + passage.log_gradient - passage.fluctuation / 4
    return Prediction(signals, log_gradients, tuple(reasons))


def _over_batch(logarithms: Array, weights: Array) -> float:
    """Of ‖∂L/∂y‖ over all examples: those with the largest gradients weigh most."""
    largest = float(logarithms.max())
    return largest + _half_log(float(weights @ np.exp(2 * (logarithms - largest))))


def _forward(
    nodes: list[Node], signal: Signal
) -> tuple[list[Passage | None], dict[str, Signal], list[str]]:
    passages: list[Passage | None] = []
    signals: dict[str, Signal] = {}
    reasons: list[str] = []
    known = True
    for node in nodes:
        passage = None
        if known:
            try:
                passage = _pass(node, signal)
                signal = passage.signal
                signals[node.layer.path] = signal
            except Unpredictable as reason:
                known = False
                reasons.append(f"{node.layer.path}: {reason}")
        passages.append(passage)
    return passages, signals, reasons


def _pass(node: Node, signal: Signal) -> Passage:
    if not _in_reach(signal):
        raise Unpredictable("the signal is too small or too large to compute with")
    if isinstance(node.layer, (activations.Activation, activations.Identity)):
        rule: _Rule | None = _activation
    else:
        rule = _RULES.get(node.layer.name)
    if rule is None:
        raise Unpredictable(f"no theory of {node.layer.name}")
    passage = rule(node, signal)
    bounded = np.abs(passage.log_gradient - passage.fluctuation / 4) < _MOST_NATS
    if not (_in_reach(passage.signal) and np.all(bounded)):
        raise Unpredictable("the signal or the gradient is 0 or grows beyond all bounds")
    return passage


def _in_reach(signal: Signal) -> bool:
    return signal.square == 0 or _REACH[0] < signal.square < _REACH[1]


def _half_log(square: float) -> float:
    return 0.5 * math.log(square) if square > 0 else -math.inf


# layers with weights


def _weights(node: Node, name: str = "weight") -> tuple[InitialMoments, int]:
    shape, init = flatten(node.layer.parameters(node.input_shape))[name]
    return initial_moments(init, shape), math.prod(shape[:-1])


def _bias(layer: Any) -> InitialMoments:
    bias = layer.bias
    if isinstance(bias, Init):
        return initial_moments(bias, (1,)) if bias.name != "values" else InitialMoments(0, 0)
    return InitialMoments(0.0, 0.0)


def _affine(node: Node, signal: Signal) -> Passage:
    """q ← fan_in E w² q + E b²; the gradient's square times fan_in E w², the weights' own
    fluctuation 2 / fan_in (of χ² of fan_in degrees)."""
    weight, fan_in = _weights(node)
    bias = _bias(node.layer)
    if abs(weight.mean) > 0.1 * math.sqrt(weight.square) and not weight.isometric:
        raise Unpredictable("its weights do not have mean 0")
    gain = fan_in * weight.square
    if gain == 0:
        raise Unpredictable("its weights are 0")
    square = gain * signal.square + bias.square
    share = gain * signal.square / square if square else 0.0
    after = Signal(square, gain * signal.shared + bias.square, bias.mean, share**2 * signal.spread)
    fluctuation = 0.0 if weight.isometric else 2 / fan_in
    return Passage(after, _half_log(gain), fluctuation)


def _activation(node: Node, signal: Signal) -> Passage:
    """E φ'² for the gradient; of the fluctuation 3 E φ'⁴ / (E φ'²)² - 3 a unit, what φ' adds.

    Where E φ² does not grow in proportion with E x², examples go different ways (GELU near σ_w² =
    2): the figures are taken at the points of a logarithmic normal distribution of E x².
    """
    activation, mean = Activation(node.layer), signal.mean
    units = math.prod(node.output_shape[-1:])
    variance = max(signal.square - mean**2, 0.0)
    own = moments(activation, variance, mean)
    between = (signal.shared - mean**2) / variance if variance > 0 else 1.0
    pair = pair_moments(activation, variance, between, mean)
    if not own.slope_square > 0:
        raise Unpredictable("its slope is 0 everywhere the signal reaches")
    fluctuation = 3 * (own.slope_fourth / own.slope_square**2 - 1) / units
    drawn = max(own.fourth / own.square**2 - 1, 0.0) / units if own.square > 0 else 0.0
    square, log_gradient, spread = _over_examples(activation, signal)
    shared = pair.product * square / own.square if own.square > 0 else pair.product
    return Passage(Signal(square, shared, own.mean, spread + drawn), log_gradient, fluctuation)


def _over_examples(activation: Activation, signal: Signal) -> tuple[float, Array, float]:
    """E φ², ½ ln E φ'² of each point, and the variance of ln E φ²."""
    nodes, weights = hermite(_POINTS)
    spread = min(signal.spread, _MOST_SPREAD)
    squares = signal.square * np.exp(math.sqrt(spread) * nodes - spread / 2)
    each = [moments(activation, max(q - signal.mean**2, 0.0), signal.mean) for q in squares]
    if min(own.square for own in each) <= 0 or min(own.slope_square for own in each) <= 0:
        raise Unpredictable("its slope is 0 everywhere the signal reaches")
    logs = np.log([own.square for own in each])
    slopes = np.array([_half_log(own.slope_square) for own in each])
    variance = float(weights @ np.square(logs - weights @ logs))
    return float(weights @ np.exp(logs)), slopes, variance


# normalization


def _batch_norm(node: Node, signal: Signal) -> Passage:
    """Divides by the variance between examples: Yang et al. 2019, exploding without skips."""
    variance = signal.square - signal.shared + node.layer.epsilon  # type: ignore[attr-defined]
    share = variance - node.layer.epsilon  # type: ignore[attr-defined]
    return Passage(Signal(share / variance, 0.0), -_half_log(variance))


def _layer_norm(node: Node, signal: Signal) -> Passage:
    """Divides by the variance between units; two of the n directions are taken out."""
    variance = signal.square - signal.mean**2 + node.layer.epsilon  # type: ignore[attr-defined]
    units = node.input_shape[-1]
    kept = max(units - 2, 1) / units
    after = Signal(
        (signal.square - signal.mean**2) / variance, (signal.shared - signal.mean**2) / variance
    )
    return Passage(after, -_half_log(variance) + _half_log(kept))


def _rms_norm(node: Node, signal: Signal) -> Passage:
    square = signal.square + node.layer.epsilon  # type: ignore[attr-defined]
    root, units = math.sqrt(square), node.input_shape[-1]
    after = Signal(signal.square / square, signal.shared / square, signal.mean / root)
    return Passage(after, -_half_log(square) + _half_log(max(units - 1, 1) / units))


# everything else


def _unchanged(node: Node, signal: Signal) -> Passage:
    return Passage(signal)


def _dropout(node: Node, signal: Signal) -> Passage:
    kept = 1 - node.layer.rate  # type: ignore[attr-defined]
    return Passage(replace(signal, square=signal.square / kept), -_half_log(kept))


def _average_pool(node: Node, signal: Signal) -> Passage:
    """Neighbours are taken as alike: the signal stays, k values share one gradient."""
    values = math.prod(node.input_shape) / math.prod(node.output_shape)
    return Passage(signal, -_half_log(values))


def _position(node: Node, signal: Signal) -> Passage:
    """Adds numbers that are the same for all examples: sines and cosines of mean square ½."""
    declared = flatten(node.layer.parameters(node.input_shape))
    added = 0.5
    if declared:
        shape, init = next(iter(declared.values()))
        added = initial_moments(init, shape).square
    return Passage(replace(signal, square=signal.square + added, shared=signal.shared + added))


def _embedding(node: Node, signal: Signal) -> Passage:
    """The inputs are codes: the signal begins here."""
    weight, _ = _weights(node)
    return Passage(Signal(weight.square, 0.0))


def _residual(node: Node, signal: Signal) -> Passage:
    """Both paths add their squares: ‖∂L/∂x‖² = ‖δ‖² (skip + branch) (Yang & Schoenholz 2017)."""
    inner = node.layer.chain.nodes  # type: ignore[attr-defined]
    passages, _, reasons = _forward(inner, signal)
    skip = Passage(signal)
    if node.layer.projection:  # type: ignore[attr-defined]
        weight, fan_in = _weights(node, "projection.weight")
        gain = fan_in * weight.square
        skip = Passage(Signal(gain * signal.square, gain * signal.shared), _half_log(gain))
    if any(passage is None for passage in passages):
        if all(reason.endswith("its weights are 0") for reason in reasons):
            return skip  # a branch that starts as nothing
        raise Unpredictable(f"of its branch, {reasons[0]}")
    known = [passage for passage in passages if passage is not None]
    branch = known[-1].signal if known else signal
    factor = np.exp(2 * sum(np.asarray(passage.log_gradient) for passage in known))
    total = skip.signal.square + branch.square
    spreads = skip.signal.square**2 * skip.signal.spread + branch.square**2 * branch.spread
    after = Signal(
        total,
        skip.signal.shared + branch.shared,
        skip.signal.mean + branch.mean,
        spreads / total**2 if total else 0.0,
    )
    return Passage(after, 0.5 * np.log(np.exp(2 * np.asarray(skip.log_gradient)) + factor))


_Rule = Callable[[Node, Signal], Passage]
_RULES: dict[str, _Rule] = {
    "dense": _affine,
    "conv1d": _affine,
    "conv2d": _affine,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "residual": _residual,
    "dropout": _dropout,
    "flatten": _unchanged,
    "max_pool1d": _unchanged,
    "max_pool2d": _unchanged,
    "avg_pool1d": _average_pool,
    "avg_pool2d": _average_pool,
    "global_avg_pool1d": _average_pool,
    "global_avg_pool2d": _average_pool,
    "position": _position,
    "embedding": _embedding,
}
