"""How signals and gradients flow through a network as it stands, over several seeds and batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpcli.data import Part
from bpcli.diagnosis.kinds import can_die, saturation_bounds
from bpcli.diagnosis.recorder import weighted_nodes
from bpcli.diagnosis.statistics import (
    Array,
    count_non_finite,
    geometric_mean,
    joint_norm,
    mean,
    median,
    norm,
    relative_noise,
    root_mean_square,
    share_beyond,
    spread_between_examples,
    unit_maximum,
)
from bpcli.diagnosis.trial import enough
from bpcli.network import Network, Node
from bpcli.network.network import streams

# of the examples that a measurement looks at; the same whatever the spec's batch size, so that
# the verdict does not depend on it
EXAMPLES = 256
_NOISE_ELEMENTS = 4096  # of a layer's gradient that its noise is estimated from

Figures = dict[str, Any]


@dataclass
class Measurement:
    """Figures by layer (every one, not only those with weights), in forward order.

    Norms are geometric means and shares are medians over seeds and batches; ``first_non_finite``
    names the first layer whose values are not finite, in half of the seeds or more.
    """

    layers: dict[str, Figures] = field(default_factory=dict)
    loss: float = math.nan
    first_non_finite: tuple[str, str] | None = None  # (quantity, layer)


class _Look:
    """An observer that keeps everything about one forward and backward pass."""

    def __init__(self, network: Network) -> None:
        self.layers: dict[str, Figures] = {}
        self.non_finite: tuple[str, str] | None = None
        self.maxima: dict[str, Array] = {}

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        path = node.layer.path
        figures: Figures = {"type": node.layer.name}
        figures["activation_rms"] = root_mean_square(outputs)
        if not math.isfinite(figures["activation_rms"]):
            figures["non_finite"] = count_non_finite(outputs)
            self._first("activation", path)
        figures["activation_mean"] = mean(outputs)
        figures["spread"] = spread_between_examples(outputs)
        figures["identical_units"] = _identical_units(outputs)
        bounds = saturation_bounds(node)
        if bounds is not None:
            figures["saturated"] = share_beyond(outputs, *bounds)
        if can_die(node):
            self.maxima[path] = unit_maximum(outputs)
        self.layers[path] = figures

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        path = node.layer.path
        figures = self.layers[path]
        figures["delta_norm"] = norm(output_gradient)
        if not math.isfinite(figures["delta_norm"]):
            self._first("gradient", path)
        hidden = getattr(node.layer, "hidden_gradients", None)
        if hidden is not None:
            figures["time_norms"] = [norm(step) for step in hidden]

    def _first(self, quantity: str, path: str) -> None:
        if self.non_finite is None:
            self.non_finite = (quantity, path)


def _identical_units(outputs: Array) -> bool:
    """Whether all units give the same on every example, and not all of them 0."""
    rows = outputs.reshape(-1, outputs.shape[-1]) if outputs.ndim > 1 else outputs.reshape(-1, 1)
    if rows.shape[1] < 2:
        return False
    first = rows[:, :1]
    size = np.abs(first).max(initial=0)
    return bool(np.isfinite(size) and np.abs(rows - first).max(initial=0) <= 1e-6 * size)


def measure(networks: Sequence[Network], batches: Sequence[tuple[Array, Array]]) -> Measurement:
    """The networks (one a seed) on each of the batches, in training mode."""
    with np.errstate(all="ignore"):
        singles = [_measure_one(network, batches) for network in networks]
    merged = Measurement(loss=median(single.loss for single in singles))
    for path in singles[0].layers:
        merged.layers[path] = _merged([single.layers[path] for single in singles])
    found = [single.first_non_finite for single in singles if single.first_non_finite]
    if 2 * len(found) >= len(singles) and found:
        order = list(merged.layers)
        merged.first_non_finite = min(found, key=lambda place: order.index(place[1]))
    return merged


def _measure_one(network: Network, batches: Sequence[tuple[Array, Array]]) -> Measurement:
    looks, losses = [], []
    maxima: dict[str, Array] = {}
    weighted = {node.layer.path: names for node, names in weighted_nodes(network)}
    gradients: dict[str, list[Array]] = {path: [] for path in weighted}
    state = network.state.vector.copy()
    random = streams(network.seed)["dropout"]
    for inputs, targets in batches:
        look = _Look(network)
        network.observe(look)
        loss, _ = network.loss_and_gradients(inputs, targets, random=random)
        network.observe(None)
        losses.append(loss)
        for path, names in weighted.items():
            norms = (norm(network.gradients[name]) for name in names)
            look.layers[path]["gradient_norm"] = joint_norm(norms)
            gradients[path].append(_sampled(network, names))
        for path, largest in look.maxima.items():
            maxima[path] = np.maximum(maxima[path], largest) if path in maxima else largest
        looks.append(look)
    network.state.vector[...] = state
    result = Measurement(loss=median(losses))
    for path in looks[0].layers:
        result.layers[path] = _merged([look.layers[path] for look in looks])
    for path, largest in maxima.items():
        result.layers[path]["dead_units"] = float(np.mean(~(largest > 0)))
    for path, names in weighted.items():
        figures = result.layers[path]
        figures["weight_norm"] = joint_norm(norm(network.parameters[name]) for name in names)
        figures["gradient_noise"] = relative_noise(gradients[path])
    result.first_non_finite = next((look.non_finite for look in looks if look.non_finite), None)
    return result


def _sampled(network: Network, names: Sequence[str]) -> Array:
    flat = np.concatenate([network.gradients[name].reshape(-1) for name in names])
    return flat[:: math.ceil(flat.size / _NOISE_ELEMENTS)].copy()


def _merged(figures: list[Figures]) -> Figures:
    """One set of figures for several: norms by geometric mean, everything else by median."""
    merged: Figures = {"type": figures[0]["type"]}
    for name in dict.fromkeys(name for each in figures for name in each if name != "type"):
        values = [each[name] for each in figures if each.get(name) is not None]
        merged[name] = _middle(name, values) if values else None
    return merged


def _middle(name: str, values: list[Any]) -> Any:
    if isinstance(values[0], bool):
        return 2 * sum(values) > len(values)
    if isinstance(values[0], list):
        return [geometric_mean(list(step)) for step in zip(*values, strict=True)]
    if name.endswith(("_norm", "_rms")):
        finite = all(map(math.isfinite, values))
        return geometric_mean(values) if finite and min(values) > 0 else median(values)
    return median(values)


def batches_of(part: Part, count: int) -> list[tuple[Array, Array]]:
    """Batches of examples spread over the whole part, always the same, of up to 256 each."""
    size = min(enough(part, EXAMPLES), len(part))
    order = np.random.default_rng(0).permutation(len(part))
    count = max(1, min(count, len(part) // size))
    rows = [np.sort(order[size * n : size * (n + 1)]) for n in range(count)]
    return [tuple(array.copy() for array in part.take(each)) for each in rows]  # type: ignore[misc]
