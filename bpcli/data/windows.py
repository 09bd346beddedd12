"""Windows: the examples of a text or a series, cut out of it when a batch is taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpcli.data.part import Batch, Part
from bpcli.data.sources.source import Array, Shape


@dataclass(frozen=True)
class Windows:
    """The example at s reads the rows s ... s + length - 1, and predicts those from s + ahead on.

    | of       | ahead  | asked   | step   |                                                  |
    | -------- | ------ | ------- | ------ | ------------------------------------------------ |
    | a text   | 1      | length  | length | side by side: every character is asked for once  |
    | a series | length | horizon | 1      | overlapping: a forecast from each row            |

    Windows lie at fixed places, in every epoch the same, in an order that is shuffled.
    """

    length: int
    ahead: int
    asked: int
    step: int

    def starts(self, begin: int, end: int, *, targets: bool = True) -> Array:
        """Of all examples whose targets lie in the rows ``begin`` ... ``end`` - 1.

        Their inputs may reach back to rows before ``begin``: a forecast knows its past. Without
        ``targets`` the inputs alone must lie before ``end``.
        """
        return np.arange(max(0, begin - self.ahead), end - self.rows(targets) + 1, self.step)

    def rows(self, targets: bool) -> int:
        """How many rows an example takes, with its targets or without."""
        return max(self.length, self.ahead + self.asked) if targets else self.length


class WindowPart(Part):
    """The windows that start at these rows of one array of inputs and one of targets.

    Nothing is stored twice: a batch gathers its windows into buffers of (count, length, ...) and
    (count, *target_shape). Codes of a text come as int64 whatever they are stored in.
    """

    def __init__(
        self, inputs: Array, targets: Array, starts: Array, windows: Windows, target_shape: Shape
    ) -> None:
        super().__init__(inputs, targets)
        self.starts, self.windows, self._target_shape = starts, windows, target_shape

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: Array) -> Batch:
        """(inputs, targets) of these windows, in buffers that the next ``take`` overwrites."""
        buffers = self._buffers.get(len(rows)) or self._new_buffers(len(rows))
        starts = self.starts[rows, np.newaxis]
        _gather(self.inputs, starts, buffers[0])
        if buffers[1].size:
            _gather(self.targets, starts + self.windows.ahead, buffers[1])
        return buffers

    def slice(self, start: int, stop: int) -> Batch:
        """(inputs, targets) of consecutive windows, in the same buffers."""
        return self.take(np.arange(start, min(stop, len(self))))

    def _new_buffers(self, count: int) -> Batch:
        self._forget_buffers()
        length = (count, self.windows.length, *self.inputs.shape[1:])
        self._buffers[count] = buffers = (
            np.empty(length, _working(self.inputs.dtype)),
            np.empty((count, *self._target_shape), _working(self.targets.dtype)),
        )
        return buffers


def _gather(values: Array, starts: Array, into: Array) -> None:
    """Writes values[s], values[s + 1], ... for each start s."""
    wide = into.reshape(len(starts), -1, *values.shape[1:])
    places = starts + np.arange(wide.shape[1])
    if wide.dtype == values.dtype:
        values.take(places, axis=0, out=wide, mode="clip")
    else:
        np.copyto(wide, values.take(places, axis=0, mode="clip"))


def _working(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return dtype if dtype.kind == "f" else np.dtype(np.int64)
