"""Forward: inputs and weights to sums, activations and the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from bpcli.network import Network
from bpcli.network.layer import Layer
from bpcli.network.layers import BatchNorm, Dense, Embedding, LayerNorm, Position, RmsNorm
from bpcli.network.layers.activations import Activation
from bpcli.network.layers.residual import Residual
from bpcli.report.trace.document import Equation, Section
from bpcli.report.trace.example import SHOWN_WHOLE, Array, Event, place, strongest
from bpcli.report.trace.formulas import LOSSES, forward_formula
from bpcli.report.trace.local import LocalDerivatives, weighted
from bpcli.report.trace.selection import Selection
from bpcli.report.trace.through_time import Run

_SUMS = ("conv1d", "conv2d", "avg_pool1d", "avg_pool2d", "global_avg_pool1d", "global_avg_pool2d")
_CHOICES = ("max_pool1d", "max_pool2d", "flatten")  # every output is one of the inputs


def forward_sections(
    network: Network,
    vector: Array,
    local: LocalDerivatives,
    events: Mapping[str, Event],
    shown: Mapping[str, list[int]],
    selection: Selection,
    runs: Mapping[str, Run],
) -> Iterator[Section]:
    for whole, paths in selection.runs(events):
        if not whole:
            yield selection.gap(paths)
            continue
        for path in paths:
            event, kept = events[path], shown[path]
            equations = tuple(_equations(network, vector, local, events, event, kept))
            formula = forward_formula(event.node.layer)
            if path in runs:
                yield from runs[path].forward()
                formula = runs[path].returned()
            yield Section(path, formula, equations, event.outputs.size - len(kept))


def _equations(
    network: Network,
    vector: Array,
    local: LocalDerivatives,
    events: Mapping[str, Event],
    event: Event,
    kept: list[int],
) -> Iterator[Equation]:
    layer, shape = event.node.layer, event.outputs.shape
    x, y = event.inputs.reshape(-1), event.outputs.reshape(-1)
    linear = layer.name in _SUMS or layer.name in _CHOICES
    rows = local.of_outputs(event, kept) if linear else np.empty((len(kept), 0))
    for unit, row in zip(kept, rows, strict=True):
        left, value = f"y[{place(unit, shape)}]", float(y[unit])
        if isinstance(layer, Dense):
            yield _dense(network, vector, event, unit)
        elif layer.name in _SUMS:
            constants = _bias(network, vector, layer, unit % shape[-1])
            left = left.replace("y", "z") if layer.name.startswith("conv") else left
            yield weighted(left, value, x, row, *constants)
        elif layer.name in _CHOICES:
            source = place(int(np.argmax(row)), event.inputs.shape)
            yield Equation(f"{left} = x[{source}]", value)
        elif isinstance(layer, Activation):
            yield Equation(left, value, ((float(x[unit]),),), layer.name)
        elif isinstance(layer, Embedding):
            code, column = int(x[unit // shape[-1]]), unit % shape[-1]
            yield Equation(f"{left} = E[{code}, {column}]", value)
        else:
            yield Equation(left, value, _products(network, vector, events, event, unit))


def _products(
    network: Network, vector: Array, events: Mapping[str, Event], event: Event, unit: int
) -> tuple[tuple[float, ...], ...]:
    """What the value is made of where that is a product or two; else nothing."""
    layer, y = event.node.layer, float(event.outputs.reshape(-1)[unit])
    if isinstance(layer, Residual):
        inner = float(events[layer.chain.nodes[-1].layer.path].outputs.reshape(-1)[unit])
        return ((y - inner,), (inner,))
    if event.inputs.shape != event.outputs.shape:
        return ()
    x = float(event.inputs.reshape(-1)[unit])
    if isinstance(layer, Position):
        return ((x,), (y - x,))
    if isinstance(layer, BatchNorm | LayerNorm | RmsNorm):
        column = unit % event.outputs.shape[-1]
        scale = float(values(network, vector, f"{layer.path}.scale")[column])
        centre, spread = _moments(network, event, unit)
        shift = values(network, vector, f"{layer.path}.shift")[column : column + 1].tolist()
        return ((scale, x - centre, 1 / spread), *((number,) for number in shift))
    return ()


def _moments(network: Network, event: Event, unit: int) -> tuple[float, float]:
    """What a normalization subtracts, and what it divides by."""
    layer, features = event.node.layer, event.inputs.shape[-1]
    row, column = divmod(unit, features)
    x = event.inputs.reshape(-1, features)[row]
    if isinstance(layer, BatchNorm):
        mean, variance = (
            float(network.state[f"{layer.path}.running_{name}"][column])
            for name in ("mean", "variance")
        )
        return mean, math.sqrt(variance + layer.epsilon)
    if isinstance(layer, RmsNorm):
        return 0.0, math.sqrt(float(x @ x) / features + layer.epsilon)
    assert isinstance(layer, LayerNorm)
    return float(x.mean()), math.sqrt(float(x.var()) + layer.epsilon)


def _dense(network: Network, vector: Array, event: Event, unit: int) -> Equation:
    """One row of x times one column of W."""
    layer, outputs = event.node.layer, event.outputs
    row, column = divmod(unit, outputs.shape[-1])
    x = event.inputs.reshape(-1, event.inputs.shape[-1])[row]
    weight = values(network, vector, f"{layer.path}.weight")[:, column]
    bias = _bias(network, vector, layer, column)
    return sum_of(f"z[{place(unit, outputs.shape)}]", float(outputs.flat[unit]), x, weight, *bias)


def _bias(network: Network, vector: Array, layer: Layer, column: int) -> list[tuple[float, ...]]:
    bias = values(network, vector, f"{layer.path}.bias")
    return [(float(bias[column]),)] if bias.size else []


def values(network: Network, vector: Array, name: str) -> Array:
    """A parameter as the vector has it; empty where there is none."""
    slot = network.parameters.layout.slots.get(name)
    return np.empty(0) if slot is None else vector[slot.start : slot.stop].reshape(slot.shape)


def sum_of(left: str, value: float, x: Array, w: Array, *constants: tuple[float, ...]) -> Equation:
    """Σ x w + constants, all terms of a short sum, else the largest of it one by one."""
    kept = strongest(np.abs(x * w), SHOWN_WHOLE)
    products = tuple((float(x[i]), float(w[i])) for i in kept)
    rest = math.fsum(np.delete(x * w, kept).tolist())
    return Equation(left, value, (*products, *constants), "", x.size - len(kept), rest)


def loss_section(network: Network, targets: Array, events: Mapping[str, Event]) -> Section:
    outputs = events[network.chain.nodes[-1].layer.path].outputs
    value, _ = network.loss.forward(outputs[np.newaxis], targets)
    equations: list[Equation] = []
    formula = LOSSES.get(network.loss.name, "")
    if network.loss.name == "mse" and outputs.size <= SHOWN_WHOLE:
        differences = (outputs - targets[0]).reshape(-1).tolist()
        products = tuple((d, d, 1 / len(differences)) for d in differences)
        equations.append(Equation("L", float(value), products))
    elif network.loss.name == "cross_entropy" and outputs.ndim == 1:
        probability = float(softmax(outputs)[int(targets[0])])
        equations.append(Equation(f"p[{int(targets[0])}]", probability, (), "softmax"))
        equations.append(Equation("L", float(value), ((probability,),), "-ln"))
    elif network.loss.name == "binary_cross_entropy" and outputs.size == 1 and targets[0] in (0, 1):
        z, hit = float(outputs.flat[0]), bool(targets.flat[0])
        probability = 1 / (1 + math.exp(-z))
        equations.append(Equation("p", probability, ((z,),), "sigmoid"))
        share = ((probability,),) if hit else ((1.0,), (-probability,))
        equations.append(Equation("L", float(value), share, "-ln"))
    else:
        if outputs.ndim > 1 and network.loss.name == "cross_entropy":
            formula = f"L = mean of -ln p[t] over {math.prod(outputs.shape[:-1])} places"
        equations.append(Equation("L", float(value)))
    if network.l2:
        equations.append(Equation("penalty", network.penalty()))
    return Section(network.loss.name, formula, tuple(equations))


def softmax(z: Array) -> Array:
    """Over the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    shares: Array = e / e.sum(axis=-1, keepdims=True)
    return shares
