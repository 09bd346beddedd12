"""Jobs on this machine's processors: a process each, with one BLAS thread.

`concurrent.futures` hands out the jobs. Small jobs go several in a message, so that passing them
costs little beside running them.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from bpcli.sweep.jobs import Job, result_line

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_MESSAGE_SECONDS = 0.1  # of work in a message
_MOST_IN_A_MESSAGE = 64
_MOST_TRIES = 3  # of a job whose worker died


class LocalEngine:
    """As many worker processes as asked for, all with the same number of threads: one."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_processors()
        self._seconds: float | None = None  # of a job, a running mean

    def run(self, jobs: Iterable[Job]) -> Iterator[dict[str, Any]]:
        """Each job's line. A job whose worker is killed is run again, three times at most."""
        waiting, lone = iter(jobs), False
        tries: dict[str, int] = {}
        while True:
            lost: list[Job] = []
            with _one_thread(), self._pool() as pool:
                try:
                    yield from self._run_on(pool, waiting, lost, lone=lone)
                except BrokenProcessPool:
                    pass
                else:
                    return
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
            again = []
            for job in lost:
                tries[job.key] = tries.get(job.key, 0) + 1
                if tries[job.key] < _MOST_TRIES:
                    again.append(job)
                else:
                    yield result_line(job, {"error": f"its worker died {_MOST_TRIES} times"})
            # one job a message from here on: only a job that kills its worker is counted against
            waiting, lone = itertools.chain(again, waiting), True

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), initializer=_start_worker
        )

    def _run_on(
        self, pool: ProcessPoolExecutor, jobs: Iterator[Job], lost: list[Job], *, lone: bool
    ) -> Iterator[dict[str, Any]]:
        """Runs jobs until there are none; puts those that were under way when a worker died into
        ``lost``."""
        running: dict[Future[list[dict[str, Any]]], list[Job]] = {}
        try:
            while True:
                while len(running) < 2 * self.workers:
                    chunk = list(itertools.islice(jobs, 1 if lone else self._per_message()))
                    if not chunk:
                        break
                    running[pool.submit(_run_all, chunk)] = chunk
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    lines = future.result()
                    del running[future]
                    self._learn(lines)
                    yield from lines
        except BrokenProcessPool:
            for future, chunk in running.items():
                if future.done() and future.exception() is None:
                    yield from future.result()
                else:
                    lost += chunk
            raise

    def _per_message(self) -> int:
        if self._seconds is None:
            return 1
        return max(1, min(_MOST_IN_A_MESSAGE, int(_MESSAGE_SECONDS / max(self._seconds, 1e-6))))

    def _learn(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            seconds = line.get("seconds", 0.0)
            before = seconds if self._seconds is None else self._seconds
            self._seconds = 0.9 * before + 0.1 * seconds


def available_processors() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


class _one_thread:  # noqa: N801  read as a phrase
    """While it lasts, new processes get one BLAS thread; NumPy here is not touched."""

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """Ctrl-C is the parent's business; a worker also ends when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import bpcli.sweep.work  # noqa: F401  so that the first job's time is its own


def _run_all(jobs: list[Job]) -> list[dict[str, Any]]:
    from bpcli.sweep.work import run_all

    return run_all(jobs)
