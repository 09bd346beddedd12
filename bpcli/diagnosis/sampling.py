"""How far each layer's parameters move, from samples: copying them all would take too long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bpcli.diagnosis.statistics import Array, joint_norm, norm
from bpcli.network import ParameterVector
from bpcli.network.parameters import Layout

_SAMPLE = 4096  # elements of a parameter; the ratio of two norms is then exact to about 1%
_DECAY = 0.9  # of the running means of the gradient: about ten records
_EXACT_EVERY = 10  # records; between them a weight's norm follows its sample


@dataclass
class _Layer:
    """One layer's share of the sample, and what is kept of it."""

    places: Array  # indices into the vector
    names: Sequence[str]
    before: Array | None = None
    gradient_mean: Array | None = None
    gradient_square: float = 0.0
    weight: float = 0.0  # of the running means so far
    exact: float = 0.0  # ‖θ‖ at the last exact record
    sampled: float = 0.0  # ‖sample‖ then


class ParameterSample:
    """Norms of weights, updates and gradient noise by layer, from a fixed choice of elements."""

    def __init__(self, layout: Layout, layers: Mapping[str, Sequence[str]]) -> None:
        random = np.random.default_rng(0)
        self.layers = {}
        self.records = 0
        for path, names in layers.items():
            chosen = [_chosen(layout, name, random) for name in names]
            self.layers[path] = _Layer(np.concatenate(chosen), names)

    def before_update(self, parameters: ParameterVector) -> None:
        exact = self.records % _EXACT_EVERY == 0
        for layer in self.layers.values():
            layer.before = parameters.vector.take(layer.places)
            if exact or not layer.sampled:
                layer.exact = joint_norm(norm(parameters[name]) for name in layer.names)
                layer.sampled = norm(layer.before)

    def values(self, path: str) -> Array:
        """A layer's chosen parameters, as they were before the update."""
        before = self.layers[path].before
        assert before is not None
        return before

    def of(self, path: str, vector: Array) -> Array:
        """The same elements of another vector."""
        return vector.take(self.layers[path].places)

    def gradients_ready(self, vector: Array) -> None:
        for layer in self.layers.values():
            layer_gradient = vector.take(layer.places).astype(np.float64)
            if layer.gradient_mean is None:
                layer.gradient_mean = np.zeros_like(layer_gradient)
            layer.gradient_mean *= _DECAY
            layer.gradient_mean += (1 - _DECAY) * layer_gradient
            square = float(layer_gradient @ layer_gradient)
            layer.gradient_square = _DECAY * layer.gradient_square + (1 - _DECAY) * square
            layer.weight = _DECAY * layer.weight + (1 - _DECAY)

    def after_update(self, vector: Array) -> dict[str, dict[str, float | None]]:
        """``weight_norm``, ``update_ratio`` and ``gradient_noise`` of each layer."""
        self.records += 1
        figures: dict[str, dict[str, float | None]] = {}
        for path, layer in self.layers.items():
            before = layer.before
            assert before is not None
            sampled = norm(before)
            moved = norm(vector.take(layer.places) - before)
            size = layer.exact * (sampled / layer.sampled) if layer.sampled else layer.exact
            figures[path] = {
                "weight_norm": size,
                "update_ratio": moved / sampled if sampled else None,
                "gradient_noise": _noise(layer),
            }
        return figures


def _chosen(layout: Layout, name: str, random: np.random.Generator) -> Array:
    """Indices of all elements, or of as many as a sample holds."""
    slot = layout.slots[name]
    size = slot.stop - slot.start
    if size <= _SAMPLE:
        return np.arange(slot.start, slot.stop)
    return slot.start + np.sort(random.choice(size, _SAMPLE, replace=False))


def _noise(layer: _Layer) -> float | None:
    """√(tr Σ) / ‖E g‖ from the running means of g and ‖g‖².

    Of the mean's own variance, the share (1 - d) / (1 + d) of Σ for decay d is taken off.
    """
    assert layer.gradient_mean is not None
    if layer.weight < 1 - _DECAY**3 or not math.isfinite(layer.gradient_square):
        return None
    centre = layer.gradient_mean / layer.weight
    kept = (1 - _DECAY) / (1 + _DECAY)
    along = float(centre @ centre)
    variance = (layer.gradient_square / layer.weight - along) / (1 - kept)
    signal = along - kept * variance
    if variance <= 0:
        return 0.0 if signal > 0 else None
    return math.sqrt(variance / signal) if signal > 0 else None
