"""Whether the path that trains is the path that was checked.

The check runs in float64. Training runs in the spec's precision, into buffers that are used again
and again, and stops the gradient at the first layer with parameters. So the same parameters and
examples go through both, and the gradients may differ by rounding only: by what the network itself
makes of a change of that size in its parameters and inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.gradcheck.conditions import Condition
from bpcli.gradcheck.failures import ENDS, NonFiniteForward, raised
from bpcli.gradcheck.functions import branch
from bpcli.gradcheck.result import TrainingPath
from bpcli.gradcheck.rounding import EPSILON
from bpcli.network import Network
from bpcli.network.layer import Array
from bpcli.network.parameters import nest

_LEAST = {"float32": 1e-3, "float64": 1e-9}  # relative errors that are rounding in any case
_DRAWS, _SAFETY = 3, 100.0


def check_training_path(
    network: Network, condition: Condition, floors: Mapping[str, float]
) -> TrainingPath:
    """Compares the gradients of ``network`` itself with those of its copy in float64, with the
    parameters and the examples of the condition: off kinks, where rounding would decide.

    ``floors``: by parameter, the rounding of the sums that make its gradient, in float64.
    """
    before = network.parameters.vector.copy()
    network.parameters.vector[...] = condition.network.parameters.vector
    try:
        return _compared(network, condition, floors)
    finally:
        network.parameters.vector[...] = before


def _compared(network: Network, condition: Condition, floors: Mapping[str, float]) -> TrainingPath:
    inputs, targets = _as(network.dtype, condition.inputs), condition.targets
    ours = _own_gradients(network, condition)
    copy = network.copy(np.float64)
    wide = _as(copy.dtype, inputs)
    exact = _gradients(copy, wide, targets)
    epsilon = float(np.finfo(network.dtype).eps)
    noise = _sensitivity(copy, wide, targets, epsilon)
    for name, gradient in exact.items():
        own = floors[name] * epsilon / EPSILON * math.sqrt(gradient.size) / _SAFETY
        noise[name] = max(noise[name], own)
    return _worst(str(network.dtype), ours, exact, noise)


def _own_gradients(network: Network, condition: Condition) -> dict[str, Array]:
    """As training takes them, after a step on other examples."""
    state = network.state.vector.copy()
    batches = (
        (condition.other_inputs, condition.other_targets),
        (condition.inputs, condition.targets),
    )
    try:
        for inputs, targets in batches:
            inputs = _as(network.dtype, inputs)
            loss, _ = network.loss_and_gradients(inputs, targets, random=_random())
    except ENDS as error:
        raise raised(error, [node.layer for node in network.nodes]) or error from None
    finally:
        network.state.vector[...] = state
    if not math.isfinite(loss):
        raise NonFiniteForward(
            f"the loss is not finite in {network.dtype}, the precision that trains, though it is "
            "in float64; smaller weights or scaled inputs would keep it so, or `dtype: float64`"
        )
    return {name: gradient.astype(np.float64) for name, gradient in network.gradients.items()}


def _worst(
    dtype: str, ours: dict[str, Array], exact: dict[str, Array], noise: dict[str, float]
) -> TrainingPath:
    least, largest, worst, agrees = _LEAST[dtype], 0.0, "", True
    for name, gradient in exact.items():
        size, difference = _norm(gradient), _norm(ours[name] - gradient)
        allowed = max(least * size, _SAFETY * noise[name], float(np.finfo(dtype).tiny) * 1e3)
        agrees = agrees and difference <= allowed
        if not np.isfinite(difference):
            return TrainingPath(dtype, math.inf, name, False)
        if size > 10 * noise[name]:  # else there is nothing but rounding to compare
            error = difference / size
            if error > largest:
                largest, worst = error, name
    return TrainingPath(dtype, largest, worst, agrees)


def _gradients(network: Network, inputs: Array, targets: Array) -> dict[str, Array]:
    _, gradients = network.loss_and_gradients(inputs, targets, random=_random())
    return {name: gradient.copy() for name, gradient in gradients.items()}


def _sensitivity(
    network: Network, inputs: Array, targets: Array, epsilon: float
) -> dict[str, float]:
    """By parameter: how far its gradient moves when all numbers on the way move by a rounding
    error: parameters, inputs, and what each layer hands on."""
    start, random = network.parameters.vector.copy(), default_rng(31)
    exact = _layer_by_layer(network, inputs, targets, lambda values: values)
    largest = dict.fromkeys(exact, 0.0)

    def round_(values: Array) -> Array:
        return _rounded(values, epsilon, random)

    for _ in range(_DRAWS):
        network.parameters.vector[...] = round_(start)
        moved = _layer_by_layer(network, inputs, targets, round_)
        for name, gradient in moved.items():
            largest[name] = max(largest[name], _norm(gradient - exact[name]))
    network.parameters.vector[...] = start
    return largest


def _layer_by_layer(
    network: Network, inputs: Array, targets: Array, round_: Callable[[Array], Array]
) -> dict[str, Array]:
    """The gradients, without the penalty, if every layer were given rounded inputs."""
    views, random = nest(network.parameters, network.state), _random()
    caches, values = [], inputs
    for node in network.chain.nodes:
        own = branch(views, node.layer.path)
        values, cache = node.layer.forward(round_(values), own, training=True, random=random)
        caches.append(cache)
    _, cache = network.loss.forward(round_(values), targets)
    delta = network.loss.backward(cache)
    network.chain.backward(caches, delta, views, nest(network.gradients))
    return {name: gradient.copy() for name, gradient in network.gradients.items()}


def _rounded(values: Array, epsilon: float, random: Generator) -> Array:
    if values.dtype.kind != "f":
        return values
    moved: Array = values * (1 + epsilon * random.uniform(-1, 1, values.shape))
    return moved


def _norm(values: Array) -> float:
    return float(np.sqrt(np.square(values).sum()))


def _as(dtype: np.dtype[Any], inputs: Array) -> Array:
    return inputs.astype(dtype) if inputs.dtype.kind == "f" else inputs


def _random() -> Generator:
    return default_rng([37, 2])
