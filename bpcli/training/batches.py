"""The order in which a training epoch takes its examples."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.random import Generator

from bpcli.training.checkpoint import Tree, random_state, restore_random
from bpcli.training.metrics import Array, Examples


class Rows(Examples, Protocol):
    """A part of the data that also gives any rows of it."""

    def take(self, rows: Array) -> tuple[Array, Array]: ...


class Batches:
    """Batch after batch of an epoch, the last one maybe short; shuffled anew for each epoch.

    ``position`` counts the examples that the epoch has taken so far; the order is drawn with its
    first batch.
    """

    def __init__(self, part: Rows, batch_size: int, random: Generator, *, shuffle: bool) -> None:
        self.part, self.batch_size, self.random = part, batch_size, random
        self.size, self.position = len(part), 0
        self.order: Array | None = np.arange(self.size) if shuffle else None

    @property
    def count(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.size / self.batch_size)

    @property
    def exhausted(self) -> bool:
        return self.position >= self.size

    def next(self) -> tuple[Array, Array]:
        """(inputs, targets) of the next batch; the one after it may overwrite them."""
        start = self.position
        if start == 0 and self.order is not None:
            self.order = self.random.permutation(self.size)
        self.position = min(start + self.batch_size, self.size)
        return self.again(start)

    def again(self, start: int) -> tuple[Array, Array]:
        """The batch that began at that position of this epoch."""
        stop = min(start + self.batch_size, self.size)
        if self.order is None:
            return self.part.slice(start, stop)
        return self.part.take(self.order[start:stop])

    def rewind(self) -> None:
        """To the start of a new epoch."""
        self.position = 0

    def _is_order(self, order: Array | None) -> bool:
        """Whether this epoch could have it: all examples, or none where nothing is shuffled."""
        if order is None or self.order is None:
            return order is self.order
        alike = (order.shape, order.dtype) == (self.order.shape, self.order.dtype)
        return alike and np.array_equal(np.sort(order), np.sort(self.order))

    def state(self) -> Tree:
        return {
            "position": self.position,
            "order": self.order,
            "random": random_state(self.random),
        }

    def restore(self, state: Tree) -> None:
        """Takes up what :meth:`state` gave; raises ValueError where an epoch cannot go on so."""
        self.position, order = state["position"], state["order"]
        if self._is_order(order):
            self.order = order
        elif self.position:  # else another is drawn before it is used
            raise ValueError(f"its order of examples is not one of {self.size}, as the data have")
        if self.position > self.size:
            raise ValueError(f"it has seen {self.position} examples of {self.size}")
        restore_random(self.random, state["random"])
