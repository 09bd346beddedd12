"""Backward: the gradient that arrives × the local derivative = the gradient that leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bpcli.network import Network
from bpcli.network.layers import Dense
from bpcli.network.layers.activations import Activation
from bpcli.report.trace.document import Equation, Section
from bpcli.report.trace.example import Array, Event, shown_inputs
from bpcli.report.trace.forward import sum_of, values

_STEP = 1e-20  # of the complex step
_MOST_WEIGHTS = 24  # of one layer


def backward_sections(
    network: Network,
    targets: Array,
    vector: Array,
    gradients: Array,
    events: Mapping[str, Event],
    shown: Mapping[str, list[int]],
) -> Iterator[Section]:
    last = events[network.chain.nodes[-1].layer.path]
    yield _loss_gradient(network, targets, last, shown[last.node.layer.path])
    before = {path: shown_inputs(path, events, shown) for path in events}
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


def _loss_gradient(network: Network, target: Array, last: Event, kept: list[int]) -> Section:
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


def _dense_backward(
    network: Network,
    vector: Array,
    gradients: Array,
    event: Event,
    inputs: list[int],
    outputs: list[int],
) -> Iterator[Section]:
    path = event.node.layer.path
    assert event.arrives is not None
    assert event.leaves is not None
    weight = values(network, vector, f"{path}.weight")
    gradient = values(network, gradients, f"{path}.weight")
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
    bias = values(network, gradients, f"{path}.bias")
    equations += [Equation(f"∂L/∂b[{j}]", float(bias[j])) for j in outputs if bias.size]
    left_out = weight.size + bias.size - len(equations)
    yield Section(path, "∂L/∂W = input × gradient that arrives", tuple(equations), left_out)
    yield Section(
        path,
        "∂L/∂x = Σ gradient that arrives × weight",
        tuple(
            sum_of(f"∂L/∂x[{i}]", float(event.leaves[i]), event.arrives, weight[i], np.empty(0))
            for i in inputs
        ),
        event.inputs.size - len(inputs),
    )


def _slopes(event: Event, kept: list[int]) -> Iterator[Equation]:
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
