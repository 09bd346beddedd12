"""What one example shows of every layer, and which units of it are worth showing.

A small layer is shown whole. Of a large one the units on the strongest paths are: those whose
activation times gradient, their first-order share in the loss, is largest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpcli.errors import BpcliError
from bpcli.network import Node

Array = np.ndarray[Any, Any]
Unit = tuple[int, ...]  # its place on every axis, or its flat index
SHOWN_WHOLE = 8  # units: a layer of so many is shown with all of them
STRONGEST = 3  # units, and terms of a sum, of anything larger


@dataclass
class Event:
    """What a layer took, gave and was told; arrays of one example, flat."""

    node: Node
    inputs: Array
    outputs: Array
    arrives: Array | None = None  # ∂L/∂outputs
    leaves: Array | None = None  # ∂L/∂inputs
    states: Array | None = None  # of a recurrent layer ∂L/∂hₜ, (time, units)


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
        hidden = node.layer.hidden_gradients
        event.states = None if hidden is None else hidden[:, 0].copy()


def shown_units(
    events: Mapping[str, Event], asked: Mapping[str, Sequence[Unit]]
) -> dict[str, list[int]]:
    """Of each layer's output the flat indices that are shown; raises BpcliError on a unit that
    there is not."""
    shown = {}
    for path, event in events.items():
        wanted = {_flat(path, event.outputs.shape, unit) for unit in asked.get(path, ())}
        shown[path] = sorted(wanted or strongest(share(event), SHOWN_WHOLE))
    return shown


def _flat(path: str, shape: tuple[int, ...], unit: Unit) -> int:
    """A unit's flat index: of its place on every axis, or that one itself."""
    sizes = shape if len(unit) > 1 else (math.prod(shape),)
    if len(unit) == len(sizes) and all(0 <= i < size for i, size in zip(unit, sizes, strict=True)):
        return int(np.ravel_multi_index(unit, sizes))
    received = ",".join(map(str, unit))
    if len(shape) > 1:
        last = ",".join(str(size - 1) for size in shape)
        first = ",".join("0" * len(shape))
        raise BpcliError(f"{path} has the units {first} to {last}, received {received}")
    raise BpcliError(f"{path} has the units 0 to {sizes[0] - 1}, received {received}")


def place(flat: int, shape: tuple[int, ...]) -> str:
    """A unit's place on every axis: "3, 0, 7"; that of a single number is "0"."""
    return ", ".join(str(int(i)) for i in np.unravel_index(flat, shape or (1,)))


def share(event: Event) -> Array:
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
