"""The derivative of the weight penalty ½ l2 Σ‖W‖², which the network adds to the loss."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng

from bpcli.gradcheck.numerical import STEP
from bpcli.network import Network
from bpcli.network.layer import Array


def penalty_slope(network: Network, name: str, direction: Array) -> float:
    """Along a direction of one parameter; ``network`` is a complex copy."""
    if not network.l2:
        return 0.0
    view = network.parameters[name]
    before = view.copy()
    view += (STEP * 1j) * direction
    try:
        return complex(_penalty(network)).imag / STEP
    finally:
        view[...] = before


def penalty_gradient(network: Network, name: str) -> Array:
    """By every element of one parameter: the penalty adds up over elements, so all of them can
    be moved at once and each keeps its own term."""
    view = network.parameters[name]
    anywhere = default_rng(41).standard_normal(view.shape)
    if not network.l2 or not penalty_slope(network, name, np.asarray(anywhere)):
        return np.zeros(view.shape)
    moved = view + STEP * 1j
    terms: Array = 0.5 * network.l2 * moved * moved
    return terms.imag / STEP


def _penalty(network: Network) -> complex:
    value: complex = network.penalty()
    return value
