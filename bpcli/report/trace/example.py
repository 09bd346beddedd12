"""What one example shows of every layer, and which units of it are worth showing.

A small layer is shown whole. Of a large one the units on the strongest paths are: those whose
activation times gradient, their first-order share in the loss, is largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpcli.errors import BpcliError
from bpcli.network import Node

Array = np.ndarray[Any, Any]
SHOWN_WHOLE = 6  # units: a layer of so many is shown with all of them
STRONGEST = 3  # units, and terms of a sum, of anything larger


@dataclass
class Event:
    """What a layer took, gave and was told; arrays of one example, flat."""

    node: Node
    inputs: Array
    outputs: Array
    arrives: Array | None = None  # ∂L/∂outputs
    leaves: Array | None = None  # ∂L/∂inputs


class Witness:
    """An observer that copies every event."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        self.events[node.layer.path] = Event(node, inputs[0].copy(), outputs[0].copy())

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        event = self.events[node.layer.path]
        event.arrives = output_gradient[0].copy()
        event.leaves = None if input_gradient is None else input_gradient[0].copy()


def shown_units(
    events: Mapping[str, Event], asked: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Of each layer's output the flat indices that are shown."""
    unknown = next((name for name in asked if name not in events), None)
    if unknown is not None:
        raise BpcliError(f"no layer is called {unknown!r}; the layers are {', '.join(events)}")
    shown = {}
    for path, event in events.items():
        size = event.outputs.size
        wrong = next((unit for unit in asked.get(path, ()) if not 0 <= unit < size), None)
        if wrong is not None:
            raise BpcliError(f"{path} has the units 0 to {size - 1}, received {wrong}")
        shown[path] = sorted(asked.get(path) or strongest(_share(event), SHOWN_WHOLE))
    return shown


def _share(event: Event) -> Array:
    """|y ∂L/∂y|, or |∂L/∂y| where every y is 0."""
    arrives = event.outputs * 0 if event.arrives is None else event.arrives
    share = np.abs(event.outputs * arrives).reshape(-1)
    return share if share.any() else np.abs(arrives).reshape(-1)


def strongest(sizes: Array, whole: int = STRONGEST) -> list[int]:
    """The indices of the largest, or all of a few; in order."""
    if sizes.size <= whole:
        return list(range(sizes.size))
    return sorted(np.argsort(-sizes, kind="stable")[:STRONGEST].tolist())


def shown_inputs(
    path: str, events: Mapping[str, Event], shown: Mapping[str, list[int]]
) -> list[int]:
    """The units of a layer's input: those shown of the layer that gave them."""
    paths = list(events)
    event = events[path]
    before = paths[: paths.index(path)]
    for other in reversed(before):
        if np.array_equal(events[other].outputs.reshape(-1), event.inputs.reshape(-1)):
            return shown[other]
    share = np.abs(event.inputs if event.leaves is None else event.inputs * event.leaves)
    return strongest(share.reshape(-1), SHOWN_WHOLE)
