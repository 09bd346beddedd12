"""What every optimizer shares: the flat vectors, the moments it keeps, the blocks it works in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray[Any, Any]
# (where a block starts, its parameters after the update, what the update took off them)
Observe = Callable[[int, Array, Array], None]
Share = Callable[[Callable[[slice], None], int, int], None]  # (work, blocks, parameters)

# elements: an update passes over each of up to five arrays several times, and a block of them
# stays in the processor's cache meanwhile (a quarter less time from 600,000 parameters on)
BLOCK = 1 << 16

# In multiples of the least normal number, what is forgotten of a decaying sum: far too little to
# change a parameter, and enough that neither the sum nor its product with the rate is denormal.
_FORGOTTEN = {"gradients": 2.0**27, "velocity": 2.0**27, "squares": 2.0**6}
_FORGET_EVERY = 32  # steps


class Optimizer:
    """Changes a vector of parameters in place by their gradients.

    ``state`` holds the vectors that live from step to step, by name; with ``steps``, the number
    of steps so far, it is all there is to save. Nothing is allocated in a step.
    """

    moments: ClassVar[tuple[str, ...]] = ()
    decays: ClassVar[bool] = True  # whether a moment shrinks where there are no gradients

    def __init__(self, options: Any, size: int, dtype: DTypeLike) -> None:
        self.options = options
        self.steps = 0
        self.state = {name: np.zeros(size, dtype) for name in self._kept()}
        number = max(1, -(-size // BLOCK))
        edges = [size * block // number for block in range(number + 1)]
        self._blocks = [
            (slice(*block), [vector[slice(*block)] for vector in self.state.values()])
            for block in pairwise(edges)
        ]
        self.share: Share = _alone  # who does all blocks; the stepper has threads for them
        self._scratch: dict[int, Array] = {}  # of each thread, by its first block
        self._new_scratch = partial(np.empty, -(-size // number), dtype)
        # smaller than this, ε would be 0 in this precision, and 0 / (√0 + ε) not a number
        self._least_epsilon = float(np.finfo(np.dtype(dtype)).tiny)
        self._forgotten = [_FORGOTTEN[name] * self._least_epsilon for name in self.state]

    def _kept(self) -> tuple[str, ...]:
        return self.moments

    def step(
        self,
        parameters: Array,
        gradients: Array,
        learning_rate: float,
        observe: Observe | None = None,
    ) -> None:
        """One update; both vectors have the size and dtype the optimizer was made for.

        ``observe`` is shown each block while it is in the cache, by any thread.
        """
        self.steps += 1
        scalars = self.scalars(learning_rate)
        forgets = self.decays and self.steps % _FORGET_EVERY == 0

        def work(part: slice) -> None:
            scratch = self._scratch.get(part.start)
            if scratch is None:
                scratch = self._scratch[part.start] = self._new_scratch()
            for block, moments in self._blocks[part]:
                p, g = parameters[block], gradients[block]
                change = scratch[: p.size]
                if forgets:
                    self._forget(moments, change)
                self.update(p, g, scalars, change, *moments)
                if observe is not None:
                    observe(block.start, p, self.change(p, scalars, change))

        self.share(work, len(self._blocks), parameters.size)

    def _forget(self, moments: list[Array], scratch: Array) -> None:
        """Sets to 0 what has decayed to next to nothing.

        Without new gradients a sum shrinks through the denormal numbers, with which a processor
        takes up to a hundred times as long: on MNIST, whose outer pixels are seldom anything but
        0, that was a third of the time of training.
        """
        for moment, least in zip(moments, self._forgotten, strict=True):
            np.copyto(moment, 0, where=np.abs(moment, out=scratch) < least)

    def scalars(self, learning_rate: float) -> Any:
        """What is the same for all parameters in this step."""
        return learning_rate

    def update(self, p: Array, g: Array, scalars: Any, scratch: Array, *moments: Array) -> None:
        """Changes a block of parameters ``p`` by their gradients ``g``, and its moments; leaves
        in ``scratch`` what it took off ``p``."""
        raise NotImplementedError

    def change(self, p: Array, scalars: Any, scratch: Array) -> Array:
        """All that was taken off a block, from what :meth:`update` left."""
        return scratch

    def epsilon(self) -> float:
        """ε as this precision can hold it."""
        return max(float(self.options.epsilon), self._least_epsilon)


def _alone(work: Callable[[slice], None], blocks: int, parameters: int) -> None:
    work(slice(0, blocks))
