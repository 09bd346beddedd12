"""How far rounding alone can move a gradient: the floor under every comparison.

A gradient is a sum of products with the gradient that arrives, g = Σ aₖ vₖ. Its rounding is that
of the terms, however much they cancel: a bias before a batch normalization has a gradient of
exactly zero, and terms of any size. Giving each vₖ a random sign keeps the terms and undoes the
cancellation, so |Σ ±aₖ vₖ| is the size of the sum. What a backward pass computes from its cache
(1 - y² of a y near 1) is found by moving the cache a little.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import default_rng

from bpcli.gradcheck.layer_backward import Gradients, LayerBackward
from bpcli.network.layer import Array

EPSILON = float(np.finfo(np.float64).eps)
SAFETY = 64.0
_SIGN_PROBES, _CACHE_PROBES, _CACHE_STEP = 3, 2, 1e-8


def term_sizes(backward: LayerBackward, v: Array, analytic: Gradients) -> dict[str, float]:
    """By target: the size of the sums that make the layer's gradients."""
    sizes = dict.fromkeys(analytic, 0.0)
    with np.errstate(all="ignore"):
        for seed in range(_SIGN_PROBES):
            inner = _with_signs(backward.inner_gradient, seed)
            found = backward.gradients(_with_signs(v, seed), inner_gradient=inner)
            _raise(sizes, found, 1.0)
        for seed in range(_CACHE_PROBES):
            moved = backward.with_cache_moved(v, _CACHE_STEP, seed)
            changes = {name: moved[name] - analytic[name] for name in analytic}
            _raise(sizes, changes, 1 / _CACHE_STEP)
    return sizes


def carried(
    backward: LayerBackward, error: Array, inner_error: Array | None = None
) -> dict[str, float]:
    """By target: what an error of this size in the gradient that arrives turns into; and, of a
    layer that holds layers, one in what they send back."""
    sizes: dict[str, float] = {}
    with np.errstate(all="ignore"):
        for seed in range(2):
            inner = _with_signs(inner_error, seed + 5)
            found = backward.gradients(_with_signs(error, seed), inner_gradient=inner)
            sizes = sizes or dict.fromkeys(found, 0.0)
            _raise(sizes, found, 1.0)
    return sizes


def floor(terms: float) -> float:
    return SAFETY * EPSILON * terms


_SIGNS = default_rng(11).integers(0, 2, 4093) * 2.0 - 1.0


def _with_signs(values: Any, seed: int) -> Any:
    """The values with random signs; None stays None."""
    if values is None:
        return None
    return values * np.resize(np.roll(_SIGNS, 997 * seed), values.shape)


def _raise(sizes: dict[str, float], found: Gradients, factor: float) -> None:
    for name, gradient in found.items():
        largest = float(np.abs(gradient).max(initial=0.0)) * factor
        if np.isfinite(largest):
            sizes[name] = max(sizes[name], largest)
