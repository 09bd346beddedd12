"""Derivatives along a direction, from values of a function alone.

Complex step: f(x + ihd) = f(x) + ih f'(x) d + O(h²), so Im f(x + ihd) / h is the derivative along
d. Nothing is subtracted, so h may be so small that only rounding is left (Squire & Trapp 1998).

Central differences: D(t) = (f(x + td) - f(x - td)) / 2t is f'(x) d + O(t²); of D(t), D(t/2) and
D(t/4) Richardson's extrapolation (1911) leaves O(t⁶). They need real numbers only, so they serve
where a function is not analytic, and as a second opinion on whether it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

STEP = 1e-20
_LARGEST_STEP, _SHRINK, _TRIES = 2.0**-6, 2.0**-7, 3
_GOOD = 1e-8  # relative to the largest value: no smaller step is tried
_ROUNDING = 8 * float(np.finfo(np.float64).eps)


class Slope(NamedTuple):
    """A derivative along a direction, and what it may be wrong by; None: rounding alone."""

    values: Array
    noise: Array | None = None


def central(function: Callable[[float], Array], scale: float) -> Slope:
    """The derivative at 0 of a function of one number that gives an array.

    ``scale`` is the size of what the number moves. Each value takes the step that gives it the
    least noise: a large one unless the function bends or jumps within it.
    """
    best: Slope | None = None
    step = _LARGEST_STEP * scale
    for _ in range(_TRIES):
        slope = _richardson(function, step)
        best = slope if best is None else _better(best, slope)
        assert best.noise is not None
        if best.noise.size == 0 or best.noise.max() <= _GOOD * np.abs(best.values).max():
            break
        step *= _SHRINK
    assert best is not None
    return best


def _richardson(function: Callable[[float], Array], step: float) -> Slope:
    wide, magnitude = _difference(function, step)
    half, _ = _difference(function, step / 2)
    quarter, _ = _difference(function, step / 4)
    first, second = (4 * half - wide) / 3, (4 * quarter - half) / 3
    values = (16 * second - first) / 15
    noise = np.abs(values - second) + _ROUNDING * magnitude / (step / 4)
    return Slope(values, np.where(np.isfinite(noise), noise, np.inf))


def _difference(function: Callable[[float], Array], step: float) -> tuple[Array, Array]:
    after, before = function(step), function(-step)
    return (after - before) / (2 * step), np.maximum(np.abs(after), np.abs(before))


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
