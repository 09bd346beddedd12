"""Norms of each layer's parameters, of their gradients and of what an update takes off them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bpcli.diagnosis.statistics import Array, bare_norm, joint_norm
from bpcli.network.parameters import Layout, owner

Layers = Mapping[str, Sequence[str]]  # path -> names of its parameters, inner layers' included


class LayerNorms:
    """‖·‖ by layer, exactly; a layer that holds others has the norm of all of them together."""

    def __init__(self, layout: Layout, layers: Layers) -> None:
        self.parts = layout.parts()
        self.owners = {
            path: tuple(dict.fromkeys(map(owner, names))) for path, names in layers.items()
        }

    def of(self, vector: Array, known: Mapping[str, float] | None = None) -> dict[str, float]:
        """Of a vector with the layout; norms of single layers that are ``known`` are not computed
        again."""
        known = known or {}
        return self._joint(
            {
                path: known[path]
                if path in known
                else joint_norm([bare_norm(vector[part]) for part in parts])
                for path, parts in self.parts.items()
            }
        )

    def _joint(self, norms: Mapping[str, float]) -> dict[str, float]:
        return {
            path: norms[owners[0]]
            if len(owners) == 1
            else joint_norm([norms[each] for each in owners])
            for path, owners in self.owners.items()
        }


class UpdateNorms(LayerNorms):
    """The same of an update and of the parameters after it, taken block by block while the
    optimizer has them in the cache."""

    def __init__(self, layout: Layout, layers: Layers) -> None:
        super().__init__(layout, layers)
        self._pieces: dict[int, list[tuple[str, slice]]] = {}  # of each block, by its start
        self._places: dict[str, list[tuple[int, int]]] = {}  # of each layer's pieces
        self._sizes: dict[int, list[float]] = {}  # of each block's pieces
        self._changes: dict[int, list[float]] = {}

    def add(self, start: int, parameters: Array, change: Array) -> None:
        """A block of both; several threads may come at once."""
        pieces = self._pieces.get(start)
        if pieces is None:
            pieces = self._pieces[start] = self._pieces_of(start, start + len(change))
        if len(pieces) == 1:  # most blocks of a large network
            self._changes[start], self._sizes[start] = [bare_norm(change)], [bare_norm(parameters)]
            return
        self._changes[start] = [bare_norm(change[piece]) for _, piece in pieces]
        self._sizes[start] = [bare_norm(parameters[piece]) for _, piece in pieces]

    def _pieces_of(self, start: int, stop: int) -> list[tuple[str, slice]]:
        """What each layer has of a block."""
        return [
            (path, slice(max(part.start, start) - start, min(part.stop, stop) - start))
            for path, parts in self.parts.items()
            for part in parts
            if part.start < stop and part.stop > start
        ]

    def finite(self) -> bool:
        """Whether all parameters of the blocks so far are."""
        return all(math.isfinite(size) for sizes in self._sizes.values() for size in sizes)

    def taken(self) -> tuple[dict[str, float], dict[str, float]]:
        """(of the parameters, of the change) of all blocks so far, which begin anew."""
        found = self._together(self._sizes), self._together(self._changes)
        self._sizes, self._changes = {}, {}
        return found

    def _together(self, blocks: Mapping[int, list[float]]) -> dict[str, float]:
        if not self._places:
            self._places = {path: self._places_of(path) for path in self.parts}
        return self._joint(
            {
                path: joint_norm([blocks[start][number] for start, number in places])
                for path, places in self._places.items()
            }
        )

    def _places_of(self, layer: str) -> list[tuple[int, int]]:
        """(block, number of the piece in it) of what the layer has, in order."""
        return [
            (start, number)
            for start, pieces in sorted(self._pieces.items())
            for number, (path, _) in enumerate(pieces)
            if path == layer
        ]
