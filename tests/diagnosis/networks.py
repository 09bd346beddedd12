"""Networks and batches for tests of flow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bpcli.diagnosis.statistics import fit_line, norm
from bpcli.network import Network, Node
from bpcli.spec import layers
from bpcli.spec.initializers import Normal, VarianceScaling
from bpcli.spec.layers import LAYERS, LayerOptions
from bpcli.spec.optimization import MeanSquaredError

Array = np.ndarray[Any, Any]


def chain(
    activation: str,
    weight_variance: float,
    bias_variance: float,
    *,
    width: int,
    depth: int,
    seed: int,
    norm_name: str = "",
) -> Network:
    """dense, activation, ..., dense; Var[W] = σ_w² / fan_in, Var[b] = σ_b²."""
    stack: list[LayerOptions] = []
    for _ in range(depth):
        bias: Any = Normal(math.sqrt(bias_variance)) if bias_variance else True
        weights = VarianceScaling(weight_variance)
        stack.append(layers.Dense(units=width, init=weights, bias=bias))
        stack += [LAYERS[norm_name]()] if norm_name else []
        stack.append(LAYERS[activation]())
    stack.append(layers.Dense(units=10, init=VarianceScaling(1.0)))
    return Network(stack, MeanSquaredError(), (width,), seed=seed)


class DeltaNorms:
    """An observer that keeps ‖∂L/∂y‖ of dense layers."""

    def __init__(self) -> None:
        self.norms: dict[str, float] = {}

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        pass

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        if node.layer.name == "dense":
            self.norms[node.layer.path] = norm(output_gradient)


def dense_names(network: Network, *, inner: bool = False) -> list[str]:
    """From the last to the first; ``inner``: without these two, which have other widths."""
    names = [node.layer.path for node in network.nodes if node.layer.name == "dense"]
    return names[-2:0:-1] if inner else names[::-1]


def measured_slope(networks: list[Network], inputs: Array, *, inner: bool = False) -> float:
    """Of the mean ln ‖δ‖ over the networks, per layer going back; a random gradient enters."""
    random = np.random.default_rng(1)
    logarithms = []
    for network in networks:
        observer = DeltaNorms()
        network.observe(observer)
        outputs = network.forward(inputs, training=True)
        network.backward(random.standard_normal(outputs.shape).astype(np.float32))
        names = dense_names(network, inner=inner)
        logarithms.append([math.log(observer.norms[name]) for name in names])
    mean = [float(value) for value in np.mean(logarithms, axis=0)]
    line = fit_line([float(n) for n in range(len(mean))], mean)
    assert line is not None
    return line.slope
