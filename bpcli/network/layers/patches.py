"""The windows of a batch as rows of matrices, so that a convolution is a matrix product."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from bpcli.network.buffers import scratch
from bpcli.network.layer import Array
from bpcli.network.layers.windows import Axis

_BLOCK_BYTES = 1 << 19  # of a matrix: it should be multiplied before it leaves the cache
_SHORT = 8  # values that lie side by side in the input; for fewer a copy costs more than its bytes


class Patches:
    """Every window of an input (examples, *axes, channels) as a row of size · channels values.

    The rows come in blocks that fit the processor's cache, in memory that all layers share.
    Where a window's last axis is short, as in grey images, a block is laid out by columns. With
    ``one`` each row ends in a 1, which a bias multiplies.
    """

    def __init__(
        self, axes: Sequence[Axis], channels: int, dtype: DTypeLike, *, one: bool = False
    ) -> None:
        counts, self.sizes = [axis.count for axis in axes], [axis.size for axis in axes]
        self.values = math.prod(self.sizes) * channels
        self.width = self.values + one
        row_bytes = math.prod(counts[1:]) * self.width * np.dtype(dtype).itemsize
        # an example is taken whole if it is small, else some windows of its first axis at a time
        self.depth = counts[0]
        self.rows = min(self.depth, max(1, _BLOCK_BYTES // row_bytes))
        self.examples = max(1, _BLOCK_BYTES // (self.depth * row_bytes))
        self.by_columns = self.sizes[-1] * channels < _SHORT

        padded = np.zeros((self.examples, *(axis.span for axis in axes), channels), dtype)
        self.inside = padded[:, *(axis.inside[0] for axis in axes)]
        self.source = tuple(axis.inside[1] for axis in axes)
        spatial = tuple(range(1, len(axes) + 1))
        sliding = sliding_window_view(padded, self.sizes, spatial)
        strided = sliding[:, *(slice(None, None, axis.stride) for axis in axes)]
        self.windows = np.moveaxis(strided, len(axes) + 1, -1)  # the channels last
        self.places = self.examples * self.rows * math.prod(counts[1:])

    def blocks(self, inputs: Array) -> Iterator[tuple[Any, Array]]:
        """(where, matrix): the matrix has the windows of output[where], one a row, until the next
        one is asked for."""
        memory = scratch((self.places * self.width,), inputs.dtype)
        for start in range(0, len(inputs), self.examples):
            chosen = inputs[start : start + self.examples, *self.source]
            self.inside[: len(chosen)] = chosen
            for top in range(0, self.depth, self.rows):
                where = slice(start, start + len(chosen)), slice(top, top + self.rows)
                yield where, self._matrix(self.windows[: len(chosen), where[1]], memory)

    def _matrix(self, windows: Array, memory: Array) -> Array:
        """A copy of the windows (*places, *size, channels) in the shape (places, width)."""
        places = windows.shape[: -len(self.sizes) - 1]
        window = windows.shape[len(places) :]
        count = math.prod(places)
        memory = memory[: count * self.width]
        if self.by_columns:
            matrix = memory.reshape(self.width, count).T
            columns = matrix.T[: self.values].reshape(*window, *places)
            np.copyto(columns, np.moveaxis(windows, range(len(places)), range(-len(places), 0)))
        else:
            matrix = memory.reshape(count, self.width)
            rows = memory.reshape(*places, self.width)[..., : self.values]
            np.copyto(rows.reshape(windows.shape), windows)
        matrix[:, self.values :] = 1
        return matrix
