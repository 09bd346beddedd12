"""Records how gradients flow while a network trains: one line of `gradients.jsonl` a step.

The recorder looks on only at the steps it wants; at all others the network runs unobserved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bpcli.diagnosis.statistics import Array, norm, root_mean_square
from bpcli.network import Network, Node

FIRST_STEPS = 10  # recorded one by one: what goes wrong often does so at once
LINES = 500  # about as many lines a run, however long it is


@dataclass
class _Layer:
    """What one step showed of one layer with parameters."""

    parameters: list[str]
    figures: dict[str, float | None] = field(default_factory=dict)


class Recorder:
    """Per layer with parameters and per recorded step:

    - ``delta_norm`` ‖∂L/∂y‖ over the batch, y the layer's output, L the mean loss
    - ``gradient_norm`` ‖∂L/∂θ‖ over its parameters θ, before clipping
    - ``weight_norm`` ‖θ‖ before the update, ``update_ratio`` ‖Δθ‖ / ‖θ‖
    - ``activation_rms`` the root mean square of y

    The steps are 1 to 10 and then about 490 at equal distances, so the choice depends on
    nothing but the length of the run.
    """

    def __init__(self, total_steps: int) -> None:
        self.interval = max(1, total_steps // LINES)

    def wants(self, step: int) -> bool:
        return step <= FIRST_STEPS or step % self.interval == 0

    def begin(self, network: Network) -> None:
        """Before the step's forward pass."""
        self.network = network
        self.layers = {node.layer.path: _Layer(names) for node, names in weighted_nodes(network)}
        self.before = network.parameters.vector.copy()
        network.observe(self)

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        if node.layer.path in self.layers:
            figures = self.layers[node.layer.path].figures
            figures["activation_rms"] = root_mean_square(outputs)

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        if node.layer.path in self.layers:
            self.layers[node.layer.path].figures["delta_norm"] = norm(output_gradient)

    def gradients_ready(self) -> None:
        """After the backward pass, before clipping."""
        gradients = self.network.gradients
        for layer in self.layers.values():
            norms = (norm(gradients[name]) for name in layer.parameters)
            layer.figures["gradient_norm"] = _joint(norms)

    def end(self, step: int, epoch: int, loss: float) -> dict[str, Any]:
        """After the update: the finished line; the network runs unobserved again."""
        self.network.observe(None)
        parameters, slots = self.network.parameters, self.network.parameters.layout.slots
        change = parameters.vector - self.before
        for layer in self.layers.values():
            places = [slice(slots[name].start, slots[name].stop) for name in layer.parameters]
            size = _joint(norm(self.before[place]) for place in places)
            moved = _joint(norm(change[place]) for place in places)
            layer.figures["weight_norm"] = size
            layer.figures["update_ratio"] = moved / size if size else None
        layers = [{"name": name, **layer.figures} for name, layer in self.layers.items()]
        return {"step": step, "epoch": epoch, "loss": loss, "layers": layers}


def weighted_nodes(network: Network) -> list[tuple[Node, list[str]]]:
    """Every layer that has parameters itself, with their full names, in forward order."""
    found = []
    for node in network.nodes:
        prefix = node.layer.path + "."
        own = [
            name
            for name in network.parameters
            if name.startswith(prefix) and "." not in name[len(prefix) :]
        ]
        if own:
            found.append((node, own))
    return found


def _joint(norms: Iterable[float]) -> float:
    """The norm of several arrays together from the norm of each."""
    return math.hypot(*norms)
