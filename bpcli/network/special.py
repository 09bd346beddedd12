"""Functions that NumPy lacks or that need care far from zero; all take real and complex arrays.

On complex arrays a branch is chosen by the real part, so Im f(x + ih) / h is the derivative of
the branch that the real number x takes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# exp of more than this overflows; one less than the logarithm of the largest number
_LARGEST_EXPONENT = {"f": 87.0, "d": 708.0, "F": 87.0, "D": 708.0}


def sigmoid(x: Array, out: Array) -> Array:
    """1 / (1 + exp(-x)), into ``out``: accurate relative to itself however small it is."""
    np.negative(x, out=out)
    np.minimum(out, _LARGEST_EXPONENT[x.dtype.char], out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    return np.reciprocal(out, out=out)


def softplus(x: Array, out: Array) -> Array:
    """ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(-|x|)), into ``out``."""
    positive = x.real > 0
    np.copyto(out, x)
    np.negative(x, out=out, where=positive)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    return np.add(out, x, out=out, where=positive)


def normal_cdf(x: Array, out: Array) -> Array:
    """Φ(x) = ½ erfc(-x/√2), into ``out``; accurate relative to itself in the lower tail."""
    y = x * math.sqrt(0.5)
    positive = x.real > 0
    np.negative(y, out=y, where=~positive)
    tail = _erfc_single(y) if x.dtype.char in "fF" else _erfc_double(y)
    np.multiply(tail, 0.5, out=out)
    return np.subtract(1, out, out=out, where=positive)


def normal_density(x: Array, out: Array) -> Array:
    """φ(x) = exp(-x²/2) / √(2π), into ``out``."""
    np.multiply(x, x, out=out)
    np.multiply(out, -0.5, out=out)
    np.exp(out, out=out)
    return np.multiply(out, 1 / math.sqrt(2 * math.pi), out=out)


# a Chebyshev fit to ln(erfc(y) exp(y²) / t), relative error below 1.2e-7 for every y >= 0
# (Press et al., Numerical Recipes, section 6.2), the highest power of t first
_CHEBYSHEV = (
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807,
    -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
)  # fmt: skip


def _erfc_single(y: Array) -> Array:
    """erfc(y) for y >= 0 to the precision of float32."""
    t = 1 / (1 + 0.5 * y)
    power = np.full_like(y, _CHEBYSHEV[0])
    for coefficient in _CHEBYSHEV[1:]:
        np.multiply(power, t, out=power)
        np.add(power, coefficient, out=power)
    power -= y * y
    return np.multiply(np.exp(power, out=power), t, out=power)


# rational approximations to 1e-18 and better (Cody 1969, tables II and III), highest power first
_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2,
     3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2,
     1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594,
     6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
     1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
     3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_LARGE = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
     1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346047,
     5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3),
)  # fmt: skip


def _ratio(tables: tuple[tuple[float, ...], tuple[float, ...]], z: Array) -> Array:
    """P(z) / Q(z)."""
    return np.polyval(tables[0], z) / np.polyval(tables[1], z)


def _erfc_double(y: Array) -> Array:
    """erfc(y) for y >= 0 to the precision of float64."""
    result = np.empty_like(y)
    size = y.real
    small, large = size <= 0.46875, size > 4
    middle = ~(small | large)  # and nan
    z = y[small]
    result[small] = 1 - z * _ratio(_SMALL, z * z)
    z = y[middle]
    result[middle] = np.exp(-z * z) * _ratio(_MIDDLE, z)
    z = y[large]
    inverse = 1 / (z * z)
    series = 1 / math.sqrt(math.pi) - inverse * _ratio(_LARGE, inverse)
    result[large] = np.exp(-z * z) / z * series
    return result
