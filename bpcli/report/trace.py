"""The chain rule worked through on one example, number by number, as plain data.

A small network is shown whole. Of a large one the units on the strongest paths are: those whose
activation times gradient, their first-order share in the loss, is largest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bpcli.errors import BpcliError
from bpcli.network import Network, Node
from bpcli.network.layers import Dense, Residual
from bpcli.network.layers.activations import Activation
from bpcli.optimization import clip, make_optimizer, make_schedule
from bpcli.spec.model import Spec

Array = np.ndarray[Any, Any]
SHOWN_WHOLE = 6  # units: a layer of so many is shown with all of them
STRONGEST = 3  # units, and terms of a sum, of anything larger
_STEP = 1e-20  # of the complex step
_MOST_WEIGHTS = 24  # of one layer


@dataclass(frozen=True)
class Equation:
    """left = function(sum of the products and of the terms left out) = value."""

    left: str
    value: float
    products: tuple[tuple[float, ...], ...] = ()
    function: str = ""
    left_out: int = 0  # terms
    rest: float = 0.0  # their sum


@dataclass(frozen=True)
class Section:
    """What one layer does, forward or backward."""

    layer: str
    formula: str
    equations: tuple[Equation, ...]
    left_out: int = 0  # equations of the same kind


@dataclass(frozen=True)
class After:
    """Where an update led."""

    step: int
    loss: float
    outputs: tuple[float, ...]


@dataclass(frozen=True)
class Trace:
    """One example's way forward and back, and what a step makes of it."""

    name: str
    example: int
    examples: int
    inputs: tuple[float, ...]
    targets: tuple[float, ...]
    loss: float
    forward: list[Section]
    backward: list[Section]
    learning_rate: float
    optimizer: str
    update: list[Section] = field(default_factory=list)
    after: list[After] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Event:
    """What a layer took, gave and was told; arrays of one example, flat."""

    node: Node
    inputs: Array
    outputs: Array
    arrives: Array | None = None  # ∂L/∂outputs
    leaves: Array | None = None  # ∂L/∂inputs


class _Witness:
    """An observer that copies every event."""

    def __init__(self) -> None:
        self.events: dict[str, _Event] = {}

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        self.events[node.layer.path] = _Event(node, inputs[0].copy(), outputs[0].copy())

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        event = self.events[node.layer.path]
        event.arrives = output_gradient[0].copy()
        event.leaves = None if input_gradient is None else input_gradient[0].copy()


def trace(
    spec: Spec,
    network: Network,
    inputs: Array,
    targets: Array,
    *,
    example: int = 0,
    examples: int = 1,
    steps: int = 1,
    units: Mapping[str, Sequence[int]] | None = None,
) -> Trace:
    """Works one example through: ``inputs`` (1, ...) and ``targets`` (1, ...) in float64.

    The network runs in evaluation mode (no dropout, running statistics) and is changed by
    ``steps`` updates on this example alone. ``units`` names the units to show of a layer. Raises
    BpcliError where it names a layer or unit that there is not.
    """
    witness = _Witness()
    network.keep_input_gradient(True)
    network.observe(witness)
    loss, _ = network.loss_and_gradients(inputs, targets, training=False)
    network.observe(None)
    shown = _shown_units(witness.events, units or {})
    before = network.parameters.vector.copy()
    gradients = network.gradients.vector.copy()
    after, rate = _updates(spec, network, inputs, targets, steps)
    loss_section = _loss_section(network, inputs, targets, witness)
    return Trace(
        spec.name,
        example,
        examples,
        tuple(inputs[0].reshape(-1).tolist()),
        tuple(np.atleast_1d(targets[0]).reshape(-1).tolist()),
        loss,
        [*_forward(network, before, witness.events, shown), loss_section],
        list(_backward(network, targets[0], before, gradients, witness.events, shown)),
        rate,
        spec.optimizer.name,
        list(_update_sections(spec, network, before, gradients, shown, rate, after[0])),
        [point for _, point in after],
    )


# which units


def _shown_units(
    events: Mapping[str, _Event], asked: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Of each layer's output the flat indices that are shown."""
    unknown = next((name for name in asked if name not in events), None)
    if unknown is not None:
        raise BpcliError(f"no layer is called {unknown!r}; the layers are {', '.join(events)}")
    shown = {}
    for path, event in events.items():
        size = event.outputs.size
        wrong = next((unit for unit in asked.get(path, ()) if not 0 <= unit < size), None)
        if wrong is not None:
            raise BpcliError(f"{path} has the units 0 to {size - 1}, received {wrong}")
        shown[path] = sorted(asked.get(path) or _strongest(_share(event), SHOWN_WHOLE))
    return shown


def _share(event: _Event) -> Array:
    """|y ∂L/∂y|, or |∂L/∂y| where every y is 0."""
    arrives = event.outputs * 0 if event.arrives is None else event.arrives
    share = np.abs(event.outputs * arrives).reshape(-1)
    return share if share.any() else np.abs(arrives).reshape(-1)


def _strongest(sizes: Array, whole: int = STRONGEST) -> list[int]:
    """The indices of the largest, or all of a few; in order."""
    if sizes.size <= whole:
        return list(range(sizes.size))
    return sorted(np.argsort(-sizes, kind="stable")[:STRONGEST].tolist())


# forward


def _forward(
    network: Network, vector: Array, events: Mapping[str, _Event], shown: Mapping[str, list[int]]
) -> Iterator[Section]:
    for path, event in events.items():
        kept = shown[path]
        equations = tuple(_forward_equations(network, vector, event, kept))
        yield Section(path, _formula(event), equations, event.outputs.size - len(kept))


def _forward_equations(
    network: Network, vector: Array, event: _Event, kept: list[int]
) -> Iterator[Equation]:
    layer, x, y = event.node.layer, event.inputs.reshape(-1), event.outputs.reshape(-1)
    for unit in kept:
        left, value = f"y[{unit}]", float(y[unit])
        if isinstance(layer, Dense) and event.inputs.ndim == 1:
            weight = _values(network, vector, f"{layer.path}.weight")[:, unit]
            bias = _values(network, vector, f"{layer.path}.bias")[unit : unit + 1]
            yield _sum_of(f"z[{unit}]", value, x, weight, bias)
        elif isinstance(layer, Activation):
            yield Equation(left, value, ((float(x[unit]),),), layer.name)
        elif isinstance(layer, Residual) and layer.skip is None:
            inner = value - float(x[unit])
            yield Equation(left, value, ((float(x[unit]),), (inner,)))
        else:
            yield Equation(left, value)


def _values(network: Network, vector: Array, name: str) -> Array:
    """A parameter as the vector has it; empty where there is none."""
    slot = network.parameters.layout.slots.get(name)
    return np.empty(0) if slot is None else vector[slot.start : slot.stop].reshape(slot.shape)


def _sum_of(left: str, value: float, x: Array, w: Array, constant: Array) -> Equation:
    """Σ x w + constant, the largest terms of it one by one."""
    kept = _strongest(np.abs(x * w), SHOWN_WHOLE)
    products: tuple[tuple[float, ...], ...] = tuple((float(x[i]), float(w[i])) for i in kept)
    products += tuple((float(c),) for c in constant)
    left_out = x.size - len(kept)
    rest = math.fsum(np.delete(x * w, kept).tolist())
    return Equation(left, value, products, "", left_out, rest)


def _loss_section(network: Network, inputs: Array, targets: Array, witness: _Witness) -> Section:
    outputs = witness.events[network.chain.nodes[-1].layer.path].outputs
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


# backward


def _backward(
    network: Network,
    targets: Array,
    vector: Array,
    gradients: Array,
    events: Mapping[str, _Event],
    shown: Mapping[str, list[int]],
) -> Iterator[Section]:
    last = events[network.chain.nodes[-1].layer.path]
    yield _loss_gradient(network, targets, last, shown[last.node.layer.path])
    before = {path: _shown_inputs(path, events, shown) for path in events}
    for path, event in reversed(list(events.items())):
        if event.arrives is None or event.leaves is None:
            continue
        layer = event.node.layer
        if isinstance(layer, Dense) and event.inputs.ndim == 1:
            yield from _dense_backward(network, vector, gradients, event, before[path], shown[path])
        elif isinstance(layer, Activation):
            yield Section(
                path,
                "gradient that arrives × slope = gradient that leaves",
                tuple(_slopes(event, shown[path])),
                event.outputs.size - len(shown[path]),
            )
        else:
            yield Section(
                path,
                "the gradient that leaves",
                tuple(
                    Equation(f"∂L/∂x[{unit}]", float(event.leaves.reshape(-1)[unit]))
                    for unit in before[path]
                ),
                event.inputs.size - len(before[path]),
            )


def _loss_gradient(network: Network, target: Array, last: _Event, kept: list[int]) -> Section:
    """∂L/∂y of the network's outputs, for the squares as the product that it is."""
    assert last.arrives is not None
    arrives, y, size = last.arrives.reshape(-1), last.outputs.reshape(-1), last.outputs.size
    formula = "∂L/∂y of the network's outputs y"
    products: list[tuple[tuple[float, ...], ...]] = [()] * size
    if network.loss.name == "mse":
        formula = "∂L/∂y = 2 / n (y - t)"
        differences = (y - target.reshape(-1)).tolist()
        products = [((2 / size, difference),) for difference in differences]
    elif network.loss.name == "cross_entropy":
        formula = "∂L/∂z = p - 1 at the target, p elsewhere"
    equations = tuple(Equation(f"∂L/∂y[{u}]", float(arrives[u]), products[u]) for u in kept)
    return Section(network.loss.name, formula, equations, size - len(kept))


def _shown_inputs(
    path: str, events: Mapping[str, _Event], shown: Mapping[str, list[int]]
) -> list[int]:
    """The units of a layer's input: those shown of the layer that gave them."""
    paths = list(events)
    event = events[path]
    before = paths[: paths.index(path)]
    for other in reversed(before):
        if np.array_equal(events[other].outputs.reshape(-1), event.inputs.reshape(-1)):
            return shown[other]
    share = np.abs(event.inputs if event.leaves is None else event.inputs * event.leaves)
    return _strongest(share.reshape(-1), SHOWN_WHOLE)


def _dense_backward(
    network: Network,
    vector: Array,
    gradients: Array,
    event: _Event,
    inputs: list[int],
    outputs: list[int],
) -> Iterator[Section]:
    path = event.node.layer.path
    assert event.arrives is not None
    assert event.leaves is not None
    weight = _values(network, vector, f"{path}.weight")
    gradient = _values(network, gradients, f"{path}.weight")
    pairs = [(i, j) for j in outputs for i in inputs][:_MOST_WEIGHTS]
    equations = [
        Equation(
            f"∂L/∂W[{i}, {j}]",
            float(gradient[i, j]),
            (
                (float(event.inputs[i]), float(event.arrives[j])),
                *([(network.l2, float(weight[i, j]))] if network.l2 else []),
            ),
        )
        for i, j in pairs
    ]
    bias = _values(network, gradients, f"{path}.bias")
    equations += [Equation(f"∂L/∂b[{j}]", float(bias[j])) for j in outputs if bias.size]
    left_out = weight.size + bias.size - len(equations)
    yield Section(path, "∂L/∂W = input × gradient that arrives", tuple(equations), left_out)
    yield Section(
        path,
        "∂L/∂x = Σ gradient that arrives × weight",
        tuple(
            _sum_of(f"∂L/∂x[{i}]", float(event.leaves[i]), event.arrives, weight[i], np.empty(0))
            for i in inputs
        ),
        event.inputs.size - len(inputs),
    )


def _slopes(event: _Event, kept: list[int]) -> Iterator[Equation]:
    """Each unit's φ'(x) by the complex step, apart from the backward pass that it explains."""
    moved = event.inputs[np.newaxis] + _STEP * 1j
    random = np.random.default_rng(0)
    given, _ = event.node.layer.forward(moved, {}, training=False, random=random)
    slopes = (given.imag / _STEP).reshape(-1)
    assert event.arrives is not None
    assert event.leaves is not None
    arrives, leaves = event.arrives.reshape(-1), event.leaves.reshape(-1)
    for unit in kept:
        yield Equation(
            f"∂L/∂x[{unit}]", float(leaves[unit]), ((float(arrives[unit]), float(slopes[unit])),)
        )


# the update


def _updates(
    spec: Spec, network: Network, inputs: Array, targets: Array, steps: int
) -> tuple[list[tuple[Array, After]], float]:
    """(the parameters, what they give) after step 1, each power of ten and the last; the rate."""
    parameters, gradients = network.parameters.trainable, network.gradients.trainable
    schedule = make_schedule(spec.schedule, spec.optimizer.learning_rate, steps)
    optimizer = make_optimizer(spec.optimizer, parameters.size, network.dtype)
    found: list[tuple[Array, After]] = []
    for step in range(1, steps + 1):
        network.loss_and_gradients(inputs, targets, training=False)
        clip(gradients, spec.training.clip_norm, spec.training.clip_value)
        optimizer.step(parameters, gradients, schedule.rate(step - 1))
        if step == steps or math.log10(step).is_integer():
            outputs = network.forward(inputs)
            value, _ = network.loss.forward(outputs, targets)
            loss = float(value) + network.penalty()
            point = After(step, loss, tuple(outputs.reshape(-1).tolist()))
            found.append((network.parameters.vector.copy(), point))
    return found, schedule.rate(0)


def _update_sections(
    spec: Spec,
    network: Network,
    before: Array,
    gradients: Array,
    shown: Mapping[str, list[int]],
    rate: float,
    first: tuple[Array, After],
) -> Iterator[Section]:
    """Parameters before and after the first step; plain SGD as the equation that it is."""
    after = first[0]
    plain = spec.optimizer.name == "sgd" and not getattr(spec.optimizer, "momentum", 0)
    plain = plain and spec.training.clip_norm is None and spec.training.clip_value is None
    for slot in network.parameters.layout.slots.values():
        if slot.start >= network.parameters.layout.trainable:
            continue
        here = slice(slot.start, slot.stop)
        kept = _strongest(np.abs(gradients[here]), 2 * SHOWN_WHOLE)
        equations = []
        for flat in kept:
            index = ", ".join(map(str, np.unravel_index(flat, slot.shape)))
            old, gradient = float(before[here][flat]), float(gradients[here][flat])
            new = float(after[here][flat])
            products = ((old,), (-rate, gradient)) if plain else ((old,), (new - old,))
            equations.append(Equation(f"[{index}]", new, products))
        size = slot.stop - slot.start
        yield Section(slot.name, "", tuple(equations), size - len(kept))


# formulas


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


def _formula(event: _Event) -> str:
    """The layer's formula: its own docstring's first sentence where no shorter one is known."""
    layer = event.node.layer
    if layer.name in _FORMULAS:
        return _FORMULAS[layer.name]
    sentence = (type(layer).__doc__ or "").strip().split("\n\n")[0]
    return " ".join(sentence.split()).partition(" (")[0].rstrip(".:;")
