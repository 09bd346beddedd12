"""What every optimizer shares: the flat vectors, the moments it keeps, the blocks it works in."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray[Any, Any]

# elements: an update passes over each of up to five arrays several times, and a block of them
# stays in the processor's cache meanwhile (a quarter less time from 600,000 parameters on)
BLOCK = 1 << 16


class Optimizer:
    """Changes a vector of parameters in place by their gradients.

    ``state`` holds the vectors that live from step to step, by name; with ``steps``, the number
    of steps so far, it is all there is to save. Nothing is allocated in a step.
    """

    moments: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Any, size: int, dtype: DTypeLike) -> None:
        self.options = options
        self.steps = 0
        self.state = {name: np.zeros(size, dtype) for name in self._kept()}
        scratch = np.empty(min(size, BLOCK), dtype)
        self._blocks = []
        for start in range(0, size, BLOCK):
            block = slice(start, min(start + BLOCK, size))
            moments = [vector[block] for vector in self.state.values()]
            self._blocks.append((block, (scratch[: block.stop - start], *moments)))
        # smaller than this, ε would be 0 in this precision, and 0 / (√0 + ε) not a number
        self._least_epsilon = float(np.finfo(np.dtype(dtype)).tiny)

    def _kept(self) -> tuple[str, ...]:
        return self.moments

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """One update; both vectors have the size and dtype the optimizer was made for."""
        self.steps += 1
        scalars = self.scalars(learning_rate)
        for block, vectors in self._blocks:
            self.update(parameters[block], gradients[block], scalars, *vectors)

    def scalars(self, learning_rate: float) -> Any:
        """What is the same for all parameters in this step."""
        return learning_rate

    def update(self, p: Array, g: Array, scalars: Any, scratch: Array, *moments: Array) -> None:
        """Changes a block of parameters ``p`` by their gradients ``g``, and its moments."""
        raise NotImplementedError

    def epsilon(self) -> float:
        """ε as this precision can hold it."""
        return max(float(self.options.epsilon), self._least_epsilon)
