"""Whether complex steps are right for a layer, and where its function has kinks.

A complex step is silently wrong where a forward pass is not analytic: with `np.abs`, `np.sign`,
`np.linalg.norm`, `np.var`, or a value put into a real array. Central differences know nothing of
that, so each layer's derivative along one random direction is found both ways.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.exceptions import ComplexWarning
from numpy.random import default_rng

from bpcli.gradcheck.failures import ENDS
from bpcli.gradcheck.functions import LayerFunction
from bpcli.network.layer import Array

_DISAGREEMENT = 1e-5  # relative to the layer's largest derivative; of central differences
_KINK = 1e-4  # between the one-sided derivatives
_SIDE_STEP, _CLOSE = 1e-6, 1e-9  # steps to the sides


@dataclass(frozen=True)
class Doubt:
    """Why complex steps are not used for a layer."""

    layer: str
    reason: str


@dataclass(frozen=True)
class Kinks:
    """Outputs of a layer at which its function bends or ties, with what it does on both sides."""

    layer: str
    directions: dict[str, Array]
    indices: list[tuple[int, ...]]
    left: list[float]
    right: list[float]


def random_directions(function: LayerFunction) -> dict[str, Array]:
    random = default_rng(3)
    found: dict[str, Array] = {}
    for target in function.targets():
        shape = function.value(target).shape
        found[target] = random.choice([-1.0, 1.0], shape) * random.uniform(0.3, 1, shape)
    return found


def doubt(function: LayerFunction, kinks: Kinks | None) -> Doubt | None:
    """Compares the complex step with central differences."""
    directions = random_directions(function)
    if not directions:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            exact = function.slope(directions).values
    except ENDS as error:  # whatever the user's code raises on complex arrays
        return Doubt(function.path, f"it does not take complex numbers ({_first_line(error)})")
    rough = function.central(directions)
    assert rough.noise is not None
    difference = np.abs(exact - rough.values)
    largest = max(np.abs(exact).max(initial=0.0), np.abs(rough.values).max(initial=0.0))
    wrong = difference > _DISAGREEMENT * largest + 10 * rough.noise
    if wrong.any():
        wrong &= _wrong_close_by(function, directions, exact, largest)
    if kinks is not None:
        for index in kinks.indices:
            wrong[index] = False
    if not wrong.any():
        return None
    return Doubt(function.path, "its forward pass is not analytic (np.abs and the like)")


def _wrong_close_by(
    function: LayerFunction, directions: dict[str, Array], exact: Array, largest: float
) -> Array:
    """Where the derivatives from both sides contradict the complex step however small the step
    is: a wider one may reach over a kink."""
    contradicts = np.ones(exact.shape, bool)
    for step in (1e-7, 1e-9):
        left, right = function.one_sided(directions, step)
        rounding = 1e-15 * np.abs(function.outputs({})) / step
        margin = 1e-3 * largest + 10 * rounding
        low, high = np.minimum(left, right) - margin, np.maximum(left, right) + margin
        contradicts &= (exact < low) | (exact > high)
    return contradicts


def find_kinks(function: LayerFunction) -> Kinks | None:
    """The outputs whose one-sided derivatives differ, however small the step: those of a curve
    come together."""
    directions = random_directions(function)
    if not directions:
        return None
    left, right = function.one_sided(directions, _SIDE_STEP)
    jumps = _jumps(left, right)
    if not jumps.any():
        return None
    wide, values = np.abs(left - right), np.abs(function.outputs({}))
    left, right = function.one_sided(directions, _CLOSE)
    rounding = 1e-14 * values / _CLOSE
    jumps &= _jumps(left, right) & (np.abs(left - right) > wide / 2 + rounding)
    indices = [tuple(int(i) for i in index) for index in np.argwhere(jumps)]
    sides = ([float(side[index]) for index in indices] for side in (left, right))
    return Kinks(function.path, directions, indices, *sides) if indices else None


def _jumps(left: Array, right: Array) -> Array:
    sizes = np.maximum(np.abs(left), np.abs(right))
    found: Array = np.abs(left - right) > _KINK * np.maximum(sizes, 1e-2 * sizes.max(initial=0.0))
    return found


def _first_line(error: BaseException) -> str:
    message = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {message}".rstrip(": ")
