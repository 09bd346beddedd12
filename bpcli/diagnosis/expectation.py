"""Expectations over normal variables, of activations above all.

    E f(x),  x ~ N(μ, σ²)

by Gauss-Hermite quadrature, exact for polynomials of degree 2 n - 1, as long as f is smooth on the
scale of σ. Activations bend within a few units of 0 whatever σ is, and some have a kink there: for
larger σ, and for those, the integral is taken by Gauss-Legendre quadrature over panels that meet
at 0 and grow with their distance from it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bpcli.network.layer import Array, Layer

_POINTS = 160  # more would reach where e^(-z²/2) underflows
_PANEL_POINTS = 16
_WIDEST = 1.0  # a deviation up to which activations look smooth between the nodes
_REACH = 10.0  # standard deviations; what lies beyond weighs less than 1e-22


@lru_cache(maxsize=4)
def hermite(points: int = _POINTS) -> tuple[Array, Array]:
    """Nodes and weights for the standard normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    return nodes, weights / weights.sum()


@lru_cache(maxsize=512)
def normal_rule(mean: float, deviation: float, smooth: bool = True) -> tuple[Array, Array]:
    """Nodes x and weights for the distribution N(mean, deviation²), for smooth functions or those
    with a kink at 0."""
    if deviation <= 0:
        return np.array([mean]), np.ones(1)
    if deviation <= _WIDEST and mean == 0 and smooth:
        nodes, weights = hermite()
        return deviation * nodes, weights
    edges = _panel_edges(mean, deviation)
    nodes, weights = np.polynomial.legendre.leggauss(_PANEL_POINTS)
    half = np.diff(edges)[:, np.newaxis] / 2
    x = (edges[:-1, np.newaxis] + half * (1 + nodes)).reshape(-1)
    density = np.exp(-0.5 * np.square((x - mean) / deviation))
    weights = (half * weights).reshape(-1) * density
    return x, weights / weights.sum()


def _panel_edges(mean: float, deviation: float) -> Array:
    """0, then panels that double in width away from it, none wider than half a deviation."""
    low, high = mean - _REACH * deviation, mean + _REACH * deviation
    edges, width = [0.0], 0.5
    while edges[-1] < max(high, -low):
        edges.append(edges[-1] + width)
        width = min(2 * width, max(0.5, deviation / 2))
    both = np.array([-edge for edge in reversed(edges[1:])] + edges)
    inside = both[(both > low) & (both < high)]
    return np.concatenate([[low], inside, [high]])


_KINKED = ("relu", "leaky_relu", "elu", "selu")


class Activation:
    """φ and φ' of a layer that acts on each element alone, in double precision."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.smooth = layer.name not in _KINKED

    def both(self, x: Array) -> tuple[Array, Array]:
        """(φ(x), φ'(x))."""
        nothing: dict[str, Any] = {}
        with np.errstate(all="ignore"):
            outputs, cache = self.layer.forward(x, nothing, training=False, random=None)  # type: ignore[arg-type]
            outputs = outputs.copy()
            slope = self.layer.backward(cache, np.ones_like(x), nothing, nothing)
        assert slope is not None
        return outputs, slope.copy()


class Moments(NamedTuple):
    """Of φ(x) and φ'(x) over x ~ N(mean, variance)."""

    mean: float  # E φ
    square: float  # E φ²
    fourth: float  # E φ⁴
    slope_square: float  # E φ'²
    slope_fourth: float  # E φ'⁴


def moments(activation: Activation, variance: float, mean: float = 0.0) -> Moments:
    """E φ, E φ², E φ⁴, E φ'² and E φ'⁴."""
    x, weights = normal_rule(mean, math.sqrt(max(variance, 0.0)), activation.smooth)
    value, slope = activation.both(x)
    with np.errstate(all="ignore"):
        values, squares = value * value, slope * slope
        return Moments(
            float(weights @ value),
            float(weights @ values),
            float(weights @ (values * values)),
            float(weights @ squares),
            float(weights @ (squares * squares)),
        )


class PairMoments(NamedTuple):
    """Of two normal variables of the same distribution and a given correlation."""

    product: float  # E φ(x) φ(y)
    slope_product: float  # E φ'(x) φ'(y)


def pair_moments(
    activation: Activation, variance: float, correlation: float, mean: float = 0.0
) -> PairMoments:
    """E φ(x) φ(y) and E φ'(x) φ'(y) with x, y ~ N(mean, variance) of that correlation c.

    x = μ + √(|c| v) s + √((1 - |c|) v) u and y = μ ± √(|c| v) s + √((1 - |c|) v) w share s, and
    given s they are independent: the inner expectation is taken for each s by itself.
    """
    c = min(1.0, max(-1.0, correlation))
    shared, own = math.sqrt(abs(c) * variance), math.sqrt((1 - abs(c)) * variance)
    s, outer = normal_rule(0.0, shared)
    z, inner = hermite(_POINTS) if own > 0 else (np.zeros(1), np.ones(1))
    value, slope = activation.both(mean + s[:, np.newaxis] + own * z)
    with np.errstate(all="ignore"):
        value, slope = value @ inner, slope @ inner
        other, other_slope = (value, slope) if c >= 0 else (value[::-1], slope[::-1])
        return PairMoments(float(outer @ (value * other)), float(outer @ (slope * other_slope)))
