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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

Result = TypeVar("Result")

# values that a thread must have to work on; for fewer, waking it takes longer than it helps
_LEAST = 50_000
_ALL = slice(None)


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
    others = [_pool(len(chosen) - 1).submit(task, part) for part in chosen[1:]]
    try:
        first = task(chosen[0])
    finally:
        for other in others:  # none may still be writing when the caller goes on
            other.exception()
        blas.limit(before)
    return [first, *(other.result() for other in others)]


def share(task: Callable[[slice], object], count: int, values: int) -> None:
    """The task on all :func:`parts` of so many examples."""
    if values < 2 * _LEAST:
        task(_ALL)
    else:
        run(task, parts(count, values))


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
    return blas.threads() if blas else 1


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="bpcli")


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
