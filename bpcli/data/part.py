"""The parts of a data set, and the batches that training takes from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bpcli.data.sources.source import Array
from bpcli.errors import DataError

Batch = tuple[Array, Array]
_MOST_BUFFERS = 8  # a training loop needs two: full batches and the last short one


class Part:
    """Prepared examples in memory."""

    def __init__(self, inputs: Array, targets: Array) -> None:
        self.inputs, self.targets = inputs, targets
        self._buffers: dict[int, Batch] = {}

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Array) -> Batch:
        """(inputs, targets) of these rows, all within the part.

        They live in buffers of the part, one pair for each number of rows: the next ``take`` of
        as many rows overwrites them.
        """
        buffers = self._buffers.get(len(rows)) or self._new_buffers(len(rows))
        # "clip" spares the copy that the default mode makes to stay safe on an error
        self.inputs.take(rows, axis=0, out=buffers[0], mode="clip")
        self.targets.take(rows, axis=0, out=buffers[1], mode="clip")
        return buffers

    def slice(self, start: int, stop: int) -> Batch:
        """(inputs, targets) of consecutive rows: views, not to be written to."""
        return self.inputs[start:stop], self.targets[start:stop]

    def _forget_buffers(self) -> None:
        if len(self._buffers) >= _MOST_BUFFERS:
            self._buffers.clear()

    def _new_buffers(self, count: int) -> Batch:
        self._forget_buffers()
        self._buffers[count] = buffers = (
            np.empty((count, *self.inputs.shape[1:]), self.inputs.dtype),
            np.empty((count, *self.targets.shape[1:]), self.targets.dtype),
        )
        return buffers


class MappedPart(Part):
    """Examples that stay on disk; a batch is read, filled and scaled when it is taken."""

    def __init__(
        self,
        inputs: Array,
        targets: Array,
        rows: Array | None,
        *,
        prepare_inputs: Callable[[Array], Array],
        prepare_targets: Callable[[Array], Array],
        place: str,
    ) -> None:
        super().__init__(inputs, targets)
        self.rows, self.place = rows, place
        self._prepare_inputs, self._prepare_targets = prepare_inputs, prepare_targets

    def __len__(self) -> int:
        return len(self.targets) if self.rows is None else len(self.rows)

    def take(self, rows: Array) -> Batch:
        """(inputs, targets) of these rows, in arrays of their own."""
        rows = rows if self.rows is None else self.rows[rows]
        inputs = self._prepare_inputs(np.asarray(self.inputs[rows]))
        targets = np.asarray(self.targets[rows])
        self._check(rows, inputs, "`missing: mean` to fill such values or `missing: drop`")
        self._check(rows, targets, "`missing: drop`; a target cannot be filled")
        return inputs, self._prepare_targets(targets)

    def slice(self, start: int, stop: int) -> Batch:
        """(inputs, targets) of consecutive rows."""
        return self.take(np.arange(start, min(stop, len(self))))

    def _check(self, rows: Array, values: Array, cure: str) -> None:
        if np.isfinite(values).all():
            return
        wrong = int(np.argwhere(~np.isfinite(values))[0][0])
        raise DataError(
            f"{self.place}: example {int(rows[wrong])} has a value that is not finite; say {cure}"
        )
