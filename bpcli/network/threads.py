"""Threads for work that falls apart by examples.

NumPy lets other threads run while it computes, so plain threads share the cores. There are as many
as BLAS has, which is what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS say, else one a core; while they
run BLAS stays in the thread that calls it, or both would compete for the same cores. Where a BLAS
cannot be told so there is one thread here and BLAS keeps its own.

The parts of a work depend on its size and the number of threads alone, and their results come in
order: the same number of threads gives the same bits.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

import numpy as np

Array = np.ndarray[Any, Any]
Result = TypeVar("Result")

# values that a thread must have to work on; for fewer, waking it takes longer than it helps
_LEAST = 50_000
_LEAST_PRODUCTS = 3_000_000  # the same for multiply-adds of a matrix product
_ALL = slice(None)

_taken = 0  # the threads that `taken_over` has from BLAS


@contextmanager
def taken_over() -> Iterator[None]:
    """Until its end BLAS computes in the thread that calls it, and what is shared has its threads.

    OpenBLAS's threads wait busily for some hundredths of a second after a product. Where work is
    shared between products, they would hold the cores that it needs.
    """
    global _taken
    blas, number = _blas(), _threads()
    if blas is None or number == 1 or _taken:
        yield
        return
    blas.limit(1)
    _taken = number
    try:
        yield
    finally:
        _taken = 0
        blas.limit(number)


def parts(count: int, values: int) -> list[slice]:
    """``count`` examples, in whose arrays there are so many values, as one slice a thread."""
    number = max(1, min(_threads(), count, values // _LEAST))
    edges = [count * part // number for part in range(number + 1)]
    return [slice(*edge) for edge in pairwise(edges)]


def run(task: Callable[[slice], Result], chosen: Sequence[slice]) -> list[Result]:
    """[task(part) for part in chosen], each part in a thread of its own.

    The task must not come here itself: it would wait for a thread that waits for it.
    """
    if len(chosen) == 1:
        return [task(chosen[0])]
    blas = _blas()
    assert blas  # or there would be one part
    before = blas.threads()
    blas.limit(1)
    others = [_worker(number).start(task, part) for number, part in enumerate(chosen[1:])]
    try:
        first = task(chosen[0])
    finally:
        ended = [other.get() for other in others]  # none may still be writing afterwards
        blas.limit(before)
    for _, error in ended:
        if error is not None:
            raise error
    return [first, *(result for result, _ in ended)]


def share(task: Callable[[slice], object], count: int, values: int) -> None:
    """The task on all :func:`parts` of so many examples."""
    if values < 2 * _LEAST:
        task(_ALL)
    else:
        run(task, parts(count, values))


def matmul(a: Array, b: Array, out: Array) -> None:
    """Writes a @ b; of a large product each thread has some rows or some columns, whichever are
    more, where BLAS cannot share it."""
    rows, columns = out.shape
    if _taken and rows * a.shape[1] * columns >= _LEAST_PRODUCTS:
        if rows >= columns:
            run(lambda part: np.matmul(a[part], b, out=out[part]), parts(rows, 1 << 62))
        else:
            chosen = parts(columns, 1 << 62)
            run(lambda part: np.matmul(a, b[:, part], out=out[:, part]), chosen)
    elif a.dtype is b.dtype is out.dtype:
        np.dot(a, b, out)  # the same BLAS at half the price of a call: 8% of a tiny network's step
    else:
        np.matmul(a, b, out=out)


class _Blas(NamedTuple):
    """How many threads BLAS uses, and the way to change that."""

    threads: Callable[[], int]
    limit: Callable[[int], None]


@cache
def _blas() -> _Blas | None:
    """The OpenBLAS that came with NumPy, or None where NumPy uses another BLAS."""
    package = Path(np.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs")
    for file in (file for folder in folders for file in sorted(folder.glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(file))  # NumPy has loaded it, so this finds it again
            return _Blas(
                library.scipy_openblas_get_num_threads64_,
                library.scipy_openblas_set_num_threads64_,
            )
        except (OSError, AttributeError):
            continue
    return None


def _threads() -> int:
    blas = _blas()
    return _taken or (blas.threads() if blas else 1)


class _Worker:
    """A thread that takes one task after another; a third faster to wake than an executor's."""

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Any] = SimpleQueue()
        Thread(target=self._work, name="bpcli", daemon=True).start()

    def start(self, task: Callable[[slice], Any], part: slice) -> SimpleQueue[Any]:
        """Where (result, error) of the task will arrive."""
        ended: SimpleQueue[Any] = SimpleQueue()
        self.tasks.put((copy_context(), task, part, ended))  # NumPy's error state is in the context
        return ended

    def _work(self) -> None:
        while True:  # pragma: no branch - it ends with the process
            context, task, part, ended = self.tasks.get()
            outcome: tuple[Any, BaseException | None]
            try:
                outcome = context.run(task, part), None
            except BaseException as error:  # it is raised where the task was shared
                outcome = None, error
            ended.put(outcome)
            del context, task, part, ended, outcome  # while it waits it keeps no array alive


@cache
def _worker(number: int) -> _Worker:
    return _Worker()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_worker.cache_clear)
