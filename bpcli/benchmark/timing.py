"""Time of repeated work: enough repetitions for a median that stays, within a budget."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

_FEWEST, _MOST = 5, 20_000  # repetitions
_WARM_UP = 3


def repeat(work: Callable[[], object], seconds: float) -> list[float]:
    """The seconds of each repetition, after a warm-up that fills buffers and caches.

    Ends when the budget is spent, but not before a few repetitions.
    """
    for _ in range(_WARM_UP):
        work()
    times: list[float] = []
    clock, end = time.perf_counter, time.perf_counter() + seconds
    while len(times) < _FEWEST or (clock() < end and len(times) < _MOST):
        begun = clock()
        work()
        times.append(clock() - begun)
    return times


def median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0
