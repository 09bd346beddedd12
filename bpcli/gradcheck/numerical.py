"""Derivatives along a direction, from values of a function alone.

Complex step: f(x + ihd) = f(x) + ih f'(x) d + O(h²), so Im f(x + ihd) / h is the derivative along
d. Nothing is subtracted, so h may be so small that only rounding is left (Squire & Trapp 1998).
The largest step of a direction is h, and h so small that values of 1e30 do not make it large.

Central differences: D(t) = (f(x + td) - f(x - td)) / 2t is f'(x) d + O(t²); of D(t), D(t/2) and
D(t/4) Richardson's extrapolation (1911) leaves O(t⁶). They need real numbers only, so they serve
where a function is not analytic, and as a second opinion on whether it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

STEP = 2.0**-133  # about 1e-40; a power of two: to divide by it is exact
LEAST = 1e4 * float(np.finfo(np.float64).tiny) / STEP  # 1e-264: no smaller slope has all its digits
_LARGEST_STEP, _SHRINK, _TRIES = 2.0**-6, 2.0**-7, 3
_GOOD = 1e-8  # relative to the largest value: no smaller step is tried
_EPSILON = float(np.finfo(np.float64).eps)
_ROUNDING = 8 * _EPSILON
_JUMP = 1e-3  # of the slope: a kink
_ABSORBED = 0.01  # of a step, that may be lost where it is added to what is moved


class Slope(NamedTuple):
    """A derivative along a direction, and what it may be wrong by; None: rounding alone."""

    values: Array
    noise: Array | None = None


def largest_of(*arrays: Array) -> float:
    """The largest size of their values."""
    return max((float(np.abs(array).max(initial=0.0)) for array in arrays), default=0.0)


def central(function: Callable[[float], Array], scale: float, size: float = 0.0) -> Slope:
    """The derivative at 0 of a function of one number that gives an array.

    ``scale`` is what counts as a change of what the number moves, ``size`` how large that is: a
    step that is small beside it gets lost in the sum, and the noise says so; and so it does where
    the slopes of both sides differ. Each value takes the step that gives it the least noise: a
    large one unless the function bends or jumps within it.
    """
    best: Slope | None = None
    here = function(0.0)
    step = _LARGEST_STEP * scale
    for _ in range(_TRIES):
        slope = _richardson(function, here, step, size)
        best = slope if best is None else _better(best, slope)
        assert best.noise is not None
        if best.noise.size == 0 or best.noise.max() <= _GOOD * np.abs(best.values).max():
            break
        step *= _SHRINK
    assert best is not None
    return best


def _richardson(function: Callable[[float], Array], here: Array, step: float, size: float) -> Slope:
    wide, magnitude, _ = _difference(function, here, step)
    half, _, bend = _difference(function, here, step / 2)
    quarter, _, smaller_bend = _difference(function, here, step / 4)
    first, second = (4 * half - wide) / 3, (4 * quarter - half) / 3
    values = (16 * second - first) / 15
    noise = np.abs(values - second) + _ROUNDING * magnitude / (step / 4)
    absorbed = _EPSILON * size / (step / 4)
    jump = np.abs(2 * smaller_bend - bend)  # what is left where the step is 0; of a curve, nothing
    noise += np.where(jump > _JUMP * np.abs(values), jump, 0)
    noise += absorbed * np.abs(values) if absorbed < _ABSORBED else np.inf
    return Slope(values, np.where(np.isfinite(noise), noise, np.inf))


def _difference(
    function: Callable[[float], Array], here: Array, step: float
) -> tuple[Array, Array, Array]:
    """The slope, the size of the values, and the slope to the right less that to the left."""
    after, before = function(step), function(-step)
    bend = (after - here) / step - (here - before) / step
    return (after - before) / (2 * step), np.maximum(np.abs(after), np.abs(before)), bend


def _better(one: Slope, other: Slope) -> Slope:
    assert one.noise is not None
    assert other.noise is not None
    better = other.noise < one.noise
    return Slope(
        np.where(better, other.values, one.values), np.where(better, other.noise, one.noise)
    )


def one_sided(function: Callable[[float], Array], step: float) -> tuple[Array, Array]:
    """The derivatives at 0 from the left and from the right, each to a few digits."""
    here = function(0.0)
    return (here - function(-step)) / step, (function(step) - here) / step
