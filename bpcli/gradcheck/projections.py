"""Signed random projections: all elements of a tensor in one number.

For a random direction d, g·d of the gradient must be the derivative of the loss along d. Any
difference between g and the derivative shows, with certainty but for rounding, because the signs
of d are random (with all signs positive, errors could cancel). One projection weighs the elements
alike; another divides each by its own gradient, so that small ones count as much as large.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.gradcheck.comparison import TOLERANCES, ZERO, Comparison
from bpcli.gradcheck.numerical import LEAST
from bpcli.network.layer import Array

_WEIGHTS = 1e4  # at most this between the weights of two elements


class Direction(NamedTuple):
    """A direction of a tensor, and the numerical derivative along it."""

    values: Array
    numeric: float
    noise: float = 0.0


def directions(analytic: Array) -> list[Array]:
    """Random signs, plain and weighted."""
    random = default_rng([13, analytic.size])
    return [random.choice([-1.0, 1.0], analytic.shape), weighted_direction(analytic, random)]


def weighted_direction(analytic: Array, random: Generator | None = None) -> Array:
    """Random signs; the smaller an element of the gradient, the larger its weight."""
    random = random or default_rng([17, analytic.size])
    signs: Array = np.asarray(random.choice([-1.0, 1.0], analytic.shape))
    sizes = np.abs(np.nan_to_num(analytic))
    largest = float(sizes.max(initial=0.0))
    if largest == 0:
        return signs
    weighted: Array = signs / (sizes / largest + 1 / _WEIGHTS)
    return weighted


def compare_projections(
    analytic: Array, tested: list[Direction], floor: float, exact: bool, scale: float = 0.0
) -> Comparison:
    """The worst of the projections, each relative to the norm of what it adds up."""
    if analytic.size == 0:
        return Comparison("pass")
    if not np.isfinite(analytic).all():
        return Comparison("fail", float("inf"), note="not finite")
    return max(
        (_compare(analytic, each, floor, exact, scale) for each in tested),
        key=lambda c: (c.verdict == "fail", c.verdict == "inconclusive", c.error),
    )


def _compare(
    analytic: Array, tested: Direction, floor: float, exact: bool, scale: float
) -> Comparison:
    weighted = analytic * tested.values
    value, norm = float(weighted.sum()), float(np.sqrt((weighted * weighted).sum()))
    difference = abs(value - tested.numeric)
    size = max(norm, abs(tested.numeric))
    length = float(np.sqrt((tested.values * tested.values).sum()))
    own_floor = max(floor, LEAST) * length
    place = ((), value, tested.numeric)
    if size == 0:
        return Comparison("pass", 0.0, *place, "zero")
    if size <= own_floor:
        return Comparison("pass", difference / max(own_floor, scale * length), *place, ZERO)
    if not tested.noise <= size:
        note = "the noise of the method exceeds the gradient"
        return Comparison("inconclusive", difference / size, *place, note)
    tolerance = max(own_floor, TOLERANCES[exact][0] * size, 2 * tested.noise)
    verdict = "pass" if difference <= tolerance else "fail"
    return Comparison(verdict, difference / size, *place)  # type: ignore[arg-type]
