"""Sums along an axis of a matrix: products with ones are two to six times as fast as `add.reduce`.

None takes the conjugate of a complex array.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def column_sums(x: Array, out: Array | None = None) -> Array:
    """Σ over the rows of x."""
    sums: Array = np.dot(_ones(len(x), x.dtype), x, out)
    return sums


def row_sums(x: Array) -> Array:
    """Σ over the columns of x."""
    sums: Array = np.dot(x, _ones(x.shape[1], x.dtype))
    return sums


def row_products(x: Array, y: Array) -> Array:
    """Σ x y over the columns."""
    products: Array = np.einsum("ij,ij->i", x, y)
    return products


@lru_cache(64)
def _ones(count: int, dtype: np.dtype[Any]) -> Array:
    ones = np.ones(count, dtype)
    ones.setflags(write=False)
    return ones
