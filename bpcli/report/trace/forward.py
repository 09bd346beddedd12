"""Forward: inputs and weights to sums, activations and the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from bpcli.network import Network
from bpcli.network.layers import Dense, Residual
from bpcli.network.layers.activations import Activation
from bpcli.report.trace.document import Equation, Section
from bpcli.report.trace.example import SHOWN_WHOLE, Array, Event, strongest


def forward_sections(
    network: Network, vector: Array, events: Mapping[str, Event], shown: Mapping[str, list[int]]
) -> Iterator[Section]:
    for path, event in events.items():
        kept = shown[path]
        equations = tuple(_forward_equations(network, vector, event, kept))
        yield Section(path, _formula(event), equations, event.outputs.size - len(kept))


def _forward_equations(
    network: Network, vector: Array, event: Event, kept: list[int]
) -> Iterator[Equation]:
    layer, x, y = event.node.layer, event.inputs.reshape(-1), event.outputs.reshape(-1)
    for unit in kept:
        left, value = f"y[{unit}]", float(y[unit])
        if isinstance(layer, Dense) and event.inputs.ndim == 1:
            weight = values(network, vector, f"{layer.path}.weight")[:, unit]
            bias = values(network, vector, f"{layer.path}.bias")[unit : unit + 1]
            yield sum_of(f"z[{unit}]", value, x, weight, bias)
        elif isinstance(layer, Activation):
            yield Equation(left, value, ((float(x[unit]),),), layer.name)
        elif isinstance(layer, Residual) and layer.skip is None:
            inner = value - float(x[unit])
            yield Equation(left, value, ((float(x[unit]),), (inner,)))
        else:
            yield Equation(left, value)


def values(network: Network, vector: Array, name: str) -> Array:
    """A parameter as the vector has it; empty where there is none."""
    slot = network.parameters.layout.slots.get(name)
    return np.empty(0) if slot is None else vector[slot.start : slot.stop].reshape(slot.shape)


def sum_of(left: str, value: float, x: Array, w: Array, constant: Array) -> Equation:
    """Σ x w + constant, the largest terms of it one by one."""
    kept = strongest(np.abs(x * w), SHOWN_WHOLE)
    products: tuple[tuple[float, ...], ...] = tuple((float(x[i]), float(w[i])) for i in kept)
    products += tuple((float(c),) for c in constant)
    left_out = x.size - len(kept)
    rest = math.fsum(np.delete(x * w, kept).tolist())
    return Equation(left, value, products, "", left_out, rest)


def loss_section(network: Network, targets: Array, events: Mapping[str, Event]) -> Section:
    outputs = events[network.chain.nodes[-1].layer.path].outputs
    value, _ = network.loss.forward(outputs[np.newaxis], targets)
    equations: list[Equation] = []
    if network.loss.name == "mse" and outputs.size <= SHOWN_WHOLE:
        differences = (outputs - targets[0]).reshape(-1).tolist()
        products = tuple((d, d, 1 / len(differences)) for d in differences)
        equations.append(Equation("L", float(value), products))
    elif network.loss.name == "cross_entropy" and outputs.ndim == 1:
        z = outputs - outputs.max()
        probability = float(np.exp(z[int(targets[0])]) / np.exp(z).sum())
        equations.append(Equation(f"p[{int(targets[0])}]", probability, (), "softmax"))
        equations.append(Equation("L", float(value), ((probability,),), "-ln"))
    else:
        equations.append(Equation("L", float(value)))
    if network.l2:
        equations.append(Equation("penalty", network.penalty()))
    return Section(network.loss.name, _LOSSES.get(network.loss.name, ""), tuple(equations))


_FORMULAS = {
    "dense": "z = x W + b",
    "residual": "y = x + f(x)",
    "relu": "y = max(x, 0)",
    "sigmoid": "y = 1 / (1 + e⁻ˣ)",
    "tanh": "y = tanh x",
    "dropout": "y = x: in evaluation no unit is silenced",
}
_LOSSES = {
    "mse": "L = mean of (y - t)²",
    "mae": "L = mean of |y - t|",
    "cross_entropy": "L = -ln p[t], p = softmax(z)",
    "binary_cross_entropy": "L = -t ln p - (1 - t) ln(1 - p), p = sigmoid(z)",
}


def _formula(event: Event) -> str:
    """The layer's formula: its own docstring's first sentence where no shorter one is known."""
    layer = event.node.layer
    if layer.name in _FORMULAS:
        return _FORMULAS[layer.name]
    sentence = (type(layer).__doc__ or "").strip().split("\n\n")[0]
    return " ".join(sentence.split()).partition(" (")[0].rstrip(".:;")
