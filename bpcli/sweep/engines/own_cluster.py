"""A Dask cluster on this machine, for one sweep, whose start and end Ctrl-C does not tear."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import Any


@contextmanager
def own_cluster(distributed: Any, workers: int) -> Iterator[Any]:
    """So many workers of one thread each, which end with the context."""
    with ExitStack() as stack:
        with _signals_held() as received:
            cluster = stack.enter_context(distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None,
                preload="bpcli.sweep.engines.preload",
            ))  # fmt: skip
        for number in received:
            signal.raise_signal(number)
        yield cluster


@contextmanager
def _signals_held() -> Iterator[list[int]]:
    """Gives the signals that came while it lasts. The threads that start in it, and their
    processes, never get the Ctrl-C that a terminal sends to all."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "pthread_sigmask"
    ):
        yield received
        return
    resource_tracker.ensure_running()  # its start would end the block
    before = {
        number: signal.signal(number, lambda number, frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield received
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
