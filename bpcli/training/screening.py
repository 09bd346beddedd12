"""Values that are not finite: a cheap look at every step, and the search for the first one."""

from __future__ import annotations

import math

import numpy as np

from bpcli.network import Network, Node, ParameterVector
from bpcli.training.events import NonFinite
from bpcli.training.metrics import Array


class NonFiniteError(Exception):
    """Ends the run; the trainer makes an outcome of it."""

    def __init__(self, found: NonFinite) -> None:
        self.found = found
        super().__init__(found.message)


def all_finite(vector: Array) -> bool:
    """One dot product; only where it is not finite itself are the elements looked at."""
    return math.isfinite(vector.dot(vector)) or bool(np.isfinite(vector).all())


def first_in(vectors: ParameterVector, values: Array | None = None) -> str | None:
    """The name of the first array, in forward order, with a value that is not finite.

    ``values`` is looked at in place of the vector; it has the same layout.
    """
    vector = vectors.vector if values is None else values
    for slot in vectors.layout.slots.values():
        if not np.isfinite(vector[slot.start : slot.stop]).all():
            return slot.name
    return None


class Search:
    """An observer that keeps the first layer whose event holds a value that is not finite.

    Going forward that is a layer's output; going backward a gradient by its parameters, or the
    one that leaves it.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.found: tuple[str, str, str | None] | None = None  # quantity, layer, parameter

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        if self.found is None and not np.isfinite(outputs).all():
            self.found = ("activation", node.layer.path, None)

    def loss(self, value: float) -> None:
        if self.found is None and not math.isfinite(value):
            self.found = ("loss", self.network.loss.name, None)

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        if self.found is not None:
            return
        if not np.isfinite(output_gradient).all():  # it was finite when it left the layer after
            self.found = ("gradient", self.network.loss.name, None)
            return
        path = node.layer.path
        for name, gradient in self.network.gradients.items():
            if name.startswith(path + ".") and not np.isfinite(gradient).all():
                self.found = ("gradient", path, name)
                return
        if input_gradient is not None and not np.isfinite(input_gradient).all():
            self.found = ("gradient", path, None)
