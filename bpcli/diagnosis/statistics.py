"""Numbers that describe arrays; pure functions, safe for very small and very large values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# squares of float32 leave its range beyond 1e±19; sums of squares within these bounds are exact
# to rounding, others are computed again with the values divided by the largest
_SAFE = (1e-28, 1e28)


def norm(values: Array) -> float:
    """‖x‖ = √Σ|x|² over all elements, without under- or overflow; nan or inf if any element is."""
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        squares = float(flat @ flat)
        if _SAFE[0] < squares < _SAFE[1]:
            return math.sqrt(squares)
        largest = float(np.max(np.abs(flat), initial=0.0))
        if largest == 0.0 or not math.isfinite(largest):
            return largest
        scaled = flat.astype(np.float64) / largest
        return largest * math.sqrt(float(scaled @ scaled))


def root_mean_square(values: Array) -> float:
    """√mean(x²) over all elements."""
    return norm(values) / math.sqrt(values.size) if values.size else 0.0
