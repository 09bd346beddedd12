"""How much the gradient of each layer varies from batch to batch, from a sample of its elements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpcli.diagnosis.statistics import Array
from bpcli.network.parameters import Layout
from bpcli.training.checkpoint import check_alike

_SAMPLE = 1024  # elements of a parameter: its noise is then right to about a twentieth
_DECAY = 0.9  # of the running means of the gradient: about ten records


@dataclass
class _Noise:
    """Running means of one layer's sampled gradient, ‖g‖² with the weight of all so far."""

    square: float = 0.0
    weight: float = 0.0

    def add(self, gradient: Array) -> None:
        self.square = _DECAY * self.square + (1 - _DECAY) * float(gradient.dot(gradient))
        self.weight = _DECAY * self.weight + (1 - _DECAY)

    def relative(self, running_mean: Array) -> float | None:
        """√(tr Σ) / ‖E g‖ from the running means of g and ‖g‖².

        Of the mean's own variance, the share (1 - d) / (1 + d) of Σ for decay d is taken off.
        """
        if self.weight < 1 - _DECAY**3 or not math.isfinite(self.square):
            return None
        kept = (1 - _DECAY) / (1 + _DECAY)
        along = float(running_mean.dot(running_mean)) / self.weight**2
        variance = (self.square / self.weight - along) / (1 - kept)
        signal = along - kept * variance
        if variance <= 0:
            return 0.0 if signal > 0 else None
        return math.sqrt(variance / signal) if signal > 0 else None


@dataclass
class _Layer:
    parts: list[slice]  # of the sample
    noise: _Noise = field(default_factory=_Noise)

    def of(self, sampled: Array) -> Array:
        """This layer's elements among the sampled ones."""
        if len(self.parts) == 1:
            return sampled[self.parts[0]]
        return np.concatenate([sampled[part] for part in self.parts])


class ParameterSample:
    """A fixed choice of elements of each parameter, all of them or 1,024, and the noise of their
    gradients."""

    def __init__(self, layout: Layout, layers: Mapping[str, Sequence[str]]) -> None:
        random = np.random.default_rng(0)
        names = dict.fromkeys(name for names in layers.values() for name in names)
        chosen = {name: _chosen(layout, name, random) for name in names}
        self.places = np.concatenate([np.empty(0, np.intp), *chosen.values()])  # or none at all
        edges = np.cumsum([0, *map(len, chosen.values())]).tolist()
        parts = dict(zip(names, map(slice, edges, edges[1:]), strict=False))
        self.layers = {
            path: _Layer(_joined(parts[name] for name in own)) for path, own in layers.items()
        }
        self.gradient_mean = np.zeros(len(self.places))

    def of(self, vector: Array) -> dict[str, Array]:
        """Each layer's chosen elements of a vector."""
        sampled = vector.take(self.places)
        return {path: layer.of(sampled) for path, layer in self.layers.items()}

    def add(self, gradients: Array) -> None:
        """The next batch's gradients."""
        sampled = gradients.take(self.places).astype(np.float64)
        self.gradient_mean *= _DECAY
        self.gradient_mean += (1 - _DECAY) * sampled
        for layer in self.layers.values():
            layer.noise.add(layer.of(sampled))

    def noise(self) -> dict[str, float | None]:
        """√(tr Σ) / ‖E g‖ of each layer over the batches so far, the latest weighing most."""
        return {
            path: layer.noise.relative(layer.of(self.gradient_mean))
            for path, layer in self.layers.items()
        }

    def state(self) -> dict[str, Any]:
        """What later records depend on, for a checkpoint."""
        noises = [layer.noise for layer in self.layers.values()]
        return {
            "gradient_mean": self.gradient_mean,
            "noise": [[noise.square, noise.weight] for noise in noises],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state` gave; raises ValueError on another network's."""
        check_alike(self.gradient_mean, state["gradient_mean"])
        self.gradient_mean[...] = state["gradient_mean"]
        for layer, (square, weight) in zip(self.layers.values(), state["noise"], strict=True):
            layer.noise = _Noise(square, weight)


def _joined(slices: Iterable[slice]) -> list[slice]:
    """The same elements in as few slices as can be; those of a layer mostly lie side by side."""
    joined: list[slice] = []
    for each in sorted(slices, key=lambda part: part.start):
        if joined and joined[-1].stop == each.start:
            joined[-1] = slice(joined[-1].start, each.stop)
        else:
            joined.append(each)
    return joined


def _chosen(layout: Layout, name: str, random: np.random.Generator) -> Array:
    """Indices of all elements, or of as many as a sample holds."""
    slot = layout.slots[name]
    size = slot.stop - slot.start
    if size <= _SAMPLE:
        return np.arange(slot.start, slot.stop)
    return slot.start + np.sort(random.choice(size, _SAMPLE, replace=False))
