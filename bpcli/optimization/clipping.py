"""Gradient clipping, and a norm that neither underflows nor overflows."""

from __future__ import annotations

import math

import numpy as np

from bpcli.optimization.optimizer import BLOCK, Array

# a sum of squares between these bounds has lost nothing that counts, in float32 either
_SAFE = (1e-28, 1e28)


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def norm(vector: Array) -> float:
    """‖x‖₂; inf or nan only where an element is.

    A float32 sum of squares is 0 near 1e-25 and inf near 1e20; out of its range the sum is taken
    again in float64, over x divided by its largest element.
    """
    squares = float(vector.dot(vector))
    if _SAFE[0] < squares < _SAFE[1]:
        return math.sqrt(squares)
    largest = float(max(vector.max(initial=0), -vector.min(initial=0)))
    if largest == 0 or not math.isfinite(largest):
        return largest
    total = 0.0
    for start in range(0, vector.size, BLOCK):
        block = vector[start : start + BLOCK] / np.float64(largest)
        total += float(block.dot(block))
    return largest * math.sqrt(total)


def clip(
    gradients: Array,
    clip_norm: float | None,
    clip_value: float | None,
    before: float | None = None,
) -> float:
    """Shortens the gradient to the norm, then cuts each element to ±value, both in place.

    Returns the norm BEFORE clipping (Pascanu, Mikolov & Bengio 2013), which is ``before`` where
    that is given. A gradient that is not finite is left as it is: no factor makes a direction of
    it.
    """
    before = norm(gradients) if before is None else before
    if math.isfinite(before):
        if clip_norm is not None and before > clip_norm:
            _scale(gradients, clip_norm, before)
        if clip_value is not None:
            np.minimum(gradients, clip_value, out=gradients)
            np.maximum(gradients, -clip_value, out=gradients)
    return before


def _scale(gradients: Array, clip_norm: float, before: float) -> None:
    """g · clip_norm / before; in two steps where float32 would round the factor to 0."""
    factor = clip_norm / before
    if factor > 1e-30:
        np.multiply(gradients, factor, out=gradients)
    else:
        np.divide(gradients, before, out=gradients)
        np.multiply(gradients, clip_norm, out=gradients)
