"""When two gradients are the same: up to rounding, and never by an absolute tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bpcli.gradcheck.numerical import LEAST, Slope
from bpcli.network.layer import Array

Verdict = Literal["pass", "fail", "inconclusive"]

# of the largest element of a tensor, and of each element by itself; exact: by complex step
TOLERANCES = {True: (1e-8, 1e-5), False: (1e-6, 1e-3)}
ZERO = "zero to rounding"


@dataclass(frozen=True)
class Comparison:
    """How far a gradient is from its numerical derivative.

    ``error`` is the largest difference over the largest value of the tensor, or, where both are
    zero to rounding, over the size of the sums that cancelled.
    """

    verdict: Verdict
    error: float = 0.0
    index: tuple[int, ...] = ()
    analytic: float = 0.0
    numeric: float = 0.0
    note: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict == "fail"


def compare(
    analytic: Array, numeric: Slope, floor: float, exact: bool, scale: float = 0.0
) -> Comparison:
    """Holds a gradient against its numerical derivative, element by element and as a whole.

    ``floor`` is what the rounding of the sums that make the gradient amounts to, or the end of the
    range of numbers. Below it both are zero; a difference above it must be small against the
    tensor, and against the element.
    """
    if analytic.size == 0:
        return Comparison("pass")
    if not np.isfinite(analytic).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(analytic))[0])
        return _at(index, analytic, numeric.values, "fail", float("inf"), "not finite")
    floor = max(floor, LEAST)
    difference = np.abs(analytic - numeric.values)
    sizes = np.maximum(np.abs(analytic), np.abs(numeric.values))
    noise = 0.0 if numeric.noise is None else float(numeric.noise.max())
    largest, worst = float(sizes.max()), float(difference.max())
    index = _worst(difference)
    if largest <= floor or largest == 0:
        note = ZERO if largest else "zero"
        return _at(index, analytic, numeric.values, "pass", worst / max(floor, scale, 1e-300), note)
    error = worst / largest
    if noise > largest:
        if float(np.abs(analytic).max()) <= floor and noise <= 1e-6 * scale:
            return _at(index, analytic, numeric.values, "pass", worst / scale, ZERO)
        note = "the noise of the method exceeds the gradient"
        return _at(index, analytic, numeric.values, "inconclusive", error, note)
    of_tensor, of_element = TOLERANCES[exact]
    if worst > max(floor, of_tensor * largest, 2 * noise):
        return _at(index, analytic, numeric.values, "fail", error)
    margin = 0.0 if numeric.noise is None else 2 * numeric.noise
    wrong = (difference > of_element * sizes + margin) & (difference > floor)
    if wrong.any():
        share = np.where(wrong, difference / np.where(sizes > 0, sizes, 1), 0)
        index = _worst(share)
        return _at(index, analytic, numeric.values, "fail", float(share[index]))
    return _at(index, analytic, numeric.values, "pass", error)


def _at(
    index: tuple[int, ...],
    analytic: Array,
    numeric: Array,
    verdict: Verdict,
    error: float,
    note: str = "",
) -> Comparison:
    return Comparison(verdict, error, index, float(analytic[index]), float(numeric[index]), note)


def _worst(values: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(values.argmax()), values.shape))
