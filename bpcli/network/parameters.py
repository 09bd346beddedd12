"""Many arrays in one contiguous vector.

A norm, a clip, an optimizer's step or a checkpoint of the whole network is then one operation on
one vector, and each layer still sees its own arrays by name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from bpcli.network.layer import Array, Declared, Shape


@dataclass(frozen=True)
class Slot:
    """Where one array lies in the vector."""

    name: str  # "residual_1.dense_2.weight"
    shape: Shape
    start: int

    @property
    def stop(self) -> int:
        return self.start + math.prod(self.shape)


class Layout:
    """Which array lies where. Frozen ones lie last, so that ``vector[:trainable]`` is all that
    an optimizer may touch."""

    def __init__(self, shapes: Mapping[str, Shape], frozen: Collection[str] = ()) -> None:
        self.slots: dict[str, Slot] = {}
        self.size = self.trainable = 0
        free = [name for name in shapes if name not in frozen]
        for name in [*free, *(name for name in shapes if name in frozen)]:
            self.slots[name] = slot = Slot(name, tuple(shapes[name]), self.size)
            self.size = slot.stop
            if name not in frozen:
                self.trainable = slot.stop

    def parts(self) -> dict[str, list[slice]]:
        """The contiguous parts of each layer that has parameters itself: mostly one."""
        parts: dict[str, list[slice]] = {}
        for slot in self.slots.values():
            own = parts.setdefault(owner(slot.name), [])
            if own and own[-1].stop == slot.start:
                own[-1] = slice(own[-1].start, slot.stop)
            else:
                own.append(slice(slot.start, slot.stop))
        return parts


def owner(name: str) -> str:
    """The path of the layer that has this parameter itself."""
    return name.rpartition(".")[0]


class ParameterVector(Mapping[str, Array]):
    """A vector, and a view into it for each name: ``parameters["dense_1.weight"]``."""

    def __init__(self, layout: Layout, dtype: DTypeLike) -> None:
        self.layout = layout
        self.vector = np.zeros(layout.size, dtype)
        self._views = {
            slot.name: self.vector[slot.start : slot.stop].reshape(slot.shape)
            for slot in layout.slots.values()
        }

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    @property
    def trainable(self) -> Array:
        """The part that an optimizer changes."""
        return self.vector[: self.layout.trainable]


def flatten(declared: Declared, prefix: str = "") -> dict[str, tuple[Shape, Any]]:
    """Nested declarations as ``name.name -> (shape, init)``, in forward order."""
    flat: dict[str, tuple[Shape, Any]] = {}
    for name, value in declared.items():
        if isinstance(value, Mapping):
            flat.update(flatten(dict(value), f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def nest(*vectors: ParameterVector) -> dict[str, Any]:
    """The views of several vectors as nested mappings, the way the layers read them."""
    tree: dict[str, Any] = {}
    for vector in vectors:
        for name, view in vector.items():
            *path, last = name.split(".")
            branch = tree
            for part in path:
                branch = branch.setdefault(part, {})
            branch[last] = view
    return tree
