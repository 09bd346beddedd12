"""Derivatives by the complex step, the judge of every backward pass.

f(x + ih) = f(x) + ih f'(x) + O(h²), so Im f(x + ih) / h is f'(x); nothing is subtracted, so h can
be so small (1e-20) that the error of the approximation is below rounding (Squire & Trapp 1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bpcli.network import Network

STEP = 1e-20
TOLERANCE = 1e-9  # relative to the largest element of each array
ROUNDING = 5e-15  # of gradients that are exactly zero, like that of a bias before batch_norm
Array = np.ndarray[Any, Any]


def complex_step(function: Callable[[Array], Any], x: Array) -> Array:
    """The gradient of a scalar function at x, element by element."""
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[index] += STEP * 1j
        gradient[index] = complex(function(moved)).imag / STEP
    return gradient


def loss(network: Network, inputs: Array, targets: Array, training: bool) -> Any:
    """The loss with its penalty; dropout draws the same mask at every call."""
    outputs = network.forward(inputs, training=training)
    value, _ = network.loss.forward(outputs, targets)
    return value + network.penalty()


def gradients(network: Network, inputs: Array, targets: Array, training: bool) -> dict[str, Array]:
    """The numerical gradient by every parameter, and by the ``inputs``."""
    moved = network.copy(np.complex128)
    start = moved.parameters.vector.copy()

    codes = inputs.dtype.kind in "iu"
    unmoved = inputs if codes else inputs.astype(complex)

    def of_parameters(vector: Array) -> Any:
        moved.parameters.vector[...] = vector
        return loss(moved, unmoved, targets, training)

    vector = complex_step(of_parameters, start.real)
    moved.parameters.vector[...] = start
    found = {
        slot.name: vector[slot.start : slot.stop].reshape(slot.shape)
        for slot in moved.parameters.layout.slots.values()
    }
    if not codes:
        found["inputs"] = complex_step(lambda x: loss(moved, x, targets, training), inputs)
    return found


def randomize(network: Network, random: np.random.Generator) -> None:
    """Biases, scales and state that no special value (0, 1) hides a mistake behind."""
    parameters = network.parameters.vector
    parameters += random.normal(0, 0.3, parameters.shape)
    state = network.state.vector
    state[...] = random.uniform(0.5, 2, state.shape)


def agree(analytic: Array, numeric: Array) -> bool:
    error = np.abs(analytic - numeric).max()
    return bool(error <= TOLERANCE * np.abs(numeric).max() + ROUNDING)


def check(network: Network, inputs: Array, targets: Array, training: bool) -> None:
    network.keep_input_gradient(True)
    outputs = network.forward(inputs, training=training)
    _, cache = network.loss.forward(outputs, targets)
    input_gradient = network.backward(network.loss.backward(cache))
    found = dict(network.gradients) | {"inputs": input_gradient}
    for name, numeric in gradients(network, inputs, targets, training).items():
        assert agree(found[name], numeric), name
        if name.endswith((".weight", ".scale")):  # a check of zeros would prove nothing
            assert numeric.any(), name
