"""Numbers that describe arrays; pure functions, safe for very small and very large values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bpcli.network.sums import column_sums

Array = np.ndarray[Any, Any]

# squares of float32 leave its range beyond 1e±19; sums of squares within these bounds are exact
# to rounding, others are computed again with the values divided by the largest
_SAFE = (1e-28, 1e28)
_BLOCK = 1 << 16  # elements that are added up in their own precision, their sums in double


def norm(values: Array) -> float:
    """‖x‖ = √Σ|x|² over all elements, without under- or overflow; nan or inf if any element is."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return bare_norm(values)


def bare_norm(values: Array) -> float:
    """The same where NumPy's warnings are silenced already: silencing takes longer than the norm
    of a small array."""
    flat = values if values.ndim == 1 else values.reshape(-1)
    if flat.size <= _BLOCK:
        squares = float(flat.dot(flat))
    else:
        blocks = (flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK))
        squares = sum(float(block.dot(block)) for block in blocks)
    if _SAFE[0] < squares < _SAFE[1]:
        return math.sqrt(squares)
    return _scaled_norm(flat)


def _scaled_norm(flat: Array) -> float:
    """The same of values whose squares are out of range."""
    largest = float(np.max(np.abs(flat), initial=0.0))
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    scaled = flat.astype(np.float64) / largest
    return largest * math.sqrt(float(scaled @ scaled))


def joint_norm(norms: Iterable[float]) -> float:
    """The norm of several arrays together from the norm of each."""
    return math.hypot(*norms)


def root_mean_square(values: Array) -> float:
    """√mean(x²) over all elements."""
    return norm(values) / math.sqrt(values.size) if values.size else 0.0


def mean(values: Array) -> float:
    """mean(x) over all elements; columns are added up in their own precision, their sums in double
    unless that leaves their range."""
    if not values.size:
        return 0.0
    rows = values.reshape(len(values), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.add.reduce(column_sums(rows), dtype=np.float64))
        if not math.isfinite(total):
            total = float(np.add.reduce(rows, axis=None, dtype=np.float64))
    return total / values.size


def count_non_finite(values: Array) -> int:
    """How many elements are nan or infinite."""
    return int(values.size - np.count_nonzero(np.isfinite(values)))


def share_beyond(values: Array, low: float, high: float) -> float:
    """The share of elements at or beyond two bounds."""
    outside = np.count_nonzero(values <= low) + np.count_nonzero(values >= high)
    return outside / values.size if values.size else 0.0


def unit_maximum(values: Array) -> Array:
    """The largest value of each unit (the last axis) over all examples and positions."""
    rows = values.reshape(-1, values.shape[-1])
    largest: Array = np.maximum.reduce(rows, axis=0)
    return largest


def spread_between_examples(values: Array) -> float:
    """Σ Var over examples / Σ mean(x²), over all units: 0 where all examples look the same."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    total = float(np.square(rows).mean(axis=0).sum())
    return float(rows.var(axis=0).sum()) / total if total else 0.0


class Line(NamedTuple):
    """y = intercept + slope x."""

    slope: float
    error: float  # standard error of the slope; nan for two points
    intercept: float


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line | None:
    """The line of least squares and its slope's standard error; None for fewer than two points.

        slope = Sxy / Sxx        error = √(Σ residual² / (n - 2) / Sxx)

    Values that are not finite must be left out before.
    """
    n = len(x)
    if n < 2:
        return None
    x_mean, y_mean = math.fsum(x) / n, math.fsum(y) / n
    sxx = math.fsum((xi - x_mean) ** 2 for xi in x)
    if sxx == 0:
        return None
    slope = math.fsum((xi - x_mean) * (yi - y_mean) for xi, yi in zip(x, y, strict=True)) / sxx
    intercept = y_mean - slope * x_mean
    residuals = math.fsum((yi - intercept - slope * xi) ** 2 for xi, yi in zip(x, y, strict=True))
    error = math.sqrt(residuals / (n - 2) / sxx) if n > 2 else math.nan
    return Line(slope, error, intercept)


def logarithmic_slope(values: Sequence[float | None]) -> Line | None:
    """The slope of ln(value) by position; values that are 0, missing or not finite are left out."""
    points = [
        (float(place), math.log(value))
        for place, value in enumerate(values)
        if value is not None and value > 0 and math.isfinite(value)
    ]
    return fit_line([x for x, _ in points], [y for _, y in points])


def median(values: Iterable[float]) -> float:
    """The middle value; of an even count the mean of the middle two; nan of none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    low, high = ordered[middle - 1], ordered[middle]
    return low if low == high else 0.5 * low + 0.5 * high


def geometric_mean(values: Sequence[float]) -> float:
    """exp(mean ln x); 0 where any value is 0."""
    if not values or min(values) <= 0:
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def relative_noise(vectors: Sequence[Array]) -> float | None:
    """√(tr Σ) / ‖mean‖: how far the gradients of single batches lie from their mean, relatively.

    Estimated without bias from n vectors: tr Σ = Σ‖gᵢ - ḡ‖² / (n - 1), and ‖mean‖² =
    ‖ḡ‖² - tr Σ / n. inf where nothing of the mean is left; None for one vector or zeros.
    """
    n = len(vectors)
    stacked = np.stack([vector.reshape(-1).astype(np.float64) for vector in vectors])
    largest = float(np.abs(stacked).max(initial=0.0))
    if n < 2 or largest == 0.0 or not math.isfinite(largest):
        return None
    stacked /= largest
    centre = stacked.mean(axis=0)
    variance = float(np.square(stacked - centre).sum()) / (n - 1)
    signal = float(centre @ centre) - variance / n
    return math.sqrt(variance / signal) if signal > 0 else math.inf
