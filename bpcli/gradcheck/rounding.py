"""How far rounding alone can move a gradient: the floor under every comparison.

A gradient is a sum of products with the gradient that arrives, g = Σ aₖ vₖ. Its rounding is that
of the terms, however much they cancel: a bias before a batch normalization has a gradient of
exactly zero, and terms of any size. Giving each vₖ a random sign keeps the terms and undoes the
cancellation, so |Σ ±aₖ vₖ| is the size of the sum. What a layer computes from inputs, parameters
and cache, and may cancel or blow up there (x - mean(x), 1 - y² of a y near 1, a recurrence over
many steps), shows by moving these a little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import default_rng

from bpcli.gradcheck.failures import LayerFailure
from bpcli.gradcheck.layer_backward import Gradients, LayerBackward
from bpcli.network.layer import Array

EPSILON = float(np.finfo(np.float64).eps)
SAFETY = 64.0
_SIGN_PROBES, _STEP, _FAR = 2, 1e-12, 100.0


def term_sizes(backward: LayerBackward, v: Array, analytic: Gradients) -> dict[str, float]:
    """By target: the size of the sums that make the layer's gradients."""
    sizes = dict.fromkeys(analytic, 0.0)
    with np.errstate(all="ignore"):
        for seed in range(_SIGN_PROBES):
            inner = _with_signs(backward.inner_gradient, seed)
            found = backward.gradients(_with_signs(v, seed), inner_gradient=inner)
            _raise(sizes, found, 1.0)
        for move in (backward.with_cache_moved, backward.with_values_moved):
            for name, size in _sensitivity(move, v, analytic).items():
                sizes[name] = max(sizes[name], size)
        backward.restore()
    return sizes


def _sensitivity(
    move: Callable[[Array, float, int], Gradients], v: Array, analytic: Gradients
) -> dict[str, float]:
    """How far a gradient moves by a share of the values that it is made of, for each unit of it.

    It must move more by a larger share: where a backward pass compares values (which was the
    largest?), any change does all it can, and says nothing of rounding.
    """
    try:
        far = _changes(move(v, _FAR * _STEP, 0), analytic)
        near = _changes(move(v, _STEP, 0), analytic) if any(far.values()) else far
    except LayerFailure:  # it takes no other cache than its own
        return dict.fromkeys(analytic, 0.0)
    return {
        name: near[name] / _STEP if far[name] > _FAR / 4 * near[name] else 0.0 for name in analytic
    }


def _changes(moved: Gradients, analytic: Gradients) -> dict[str, float]:
    changes = {n: float(np.abs(moved[n] - analytic[n]).max(initial=0.0)) for n in analytic}
    return {name: size if np.isfinite(size) else 0.0 for name, size in changes.items()}


def carried(
    backward: LayerBackward, errors: Array, inner_errors: Array | None = None
) -> dict[str, Array]:
    """By target: the size of each element's error, root mean square, that errors of these sizes
    in the gradient that arrives turn into; and, of a layer that holds layers, in what they send
    back.

    Each element keeps its own size. Would all be given the largest, as in a bound, the largest of
    many random sums would grow from layer to layer, and hide the gradients of a deep network.
    """
    squares: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        for seed in range(_SIGN_PROBES):
            inner = _with_signs(inner_errors, seed + 5)
            found = backward.gradients(_with_signs(errors, seed), inner_gradient=inner)
            for name, gradient in found.items():
                squares[name] = squares.get(name, 0.0) + np.square(np.nan_to_num(gradient))
    return {name: np.sqrt(total / _SIGN_PROBES) for name, total in squares.items()}


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
