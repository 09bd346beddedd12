"""Jobs on this machine's processors: a process each, with one BLAS thread.

`concurrent.futures` hands out the jobs.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from bpcli.errors import BpcliError
from bpcli.sweep.engines.messages import Messages
from bpcli.sweep.jobs import Job, result_line

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_AHEAD = 2  # messages a worker: one is at work, one waits
_MOST_DEATHS = 3  # of the workers of one job


class LocalEngine:
    """As many worker processes as asked for, all with the same number of threads: one.

    ``layers_file`` is the Python file of the user's own layers.
    """

    def __init__(self, workers: int | None = None, layers_file: Path | None = None) -> None:
        self.workers = workers or available_processors()
        self.layers_file = layers_file

    def ready(self, files: Sequence[Path]) -> AbstractContextManager[object]:
        """This machine is always there."""
        return nullcontext()

    def run(self, jobs: Iterable[Job]) -> Iterator[dict[str, Any]]:
        """Each job's line.

        When a worker dies, the jobs that were under way are run again one at a time, so that the
        one that kills its worker is known from its innocent neighbours.
        """
        messages = Messages(jobs)
        suspects: deque[Job] = deque()
        deaths: Counter[str] = Counter()
        while True:
            lost: list[Job] = []
            with self._pool() as pool:
                started = pool.submit(_start)
                try:
                    yield from _run_on(pool, _one_by_one(suspects), 1, lost)
                    yield from _run_on(pool, messages, _AHEAD * self.workers, lost, messages.learn)
                    return
                except BrokenProcessPool:
                    if not started.done() or started.exception() is not None:
                        raise BpcliError(
                            "the worker processes cannot start: one died before its first job"
                        ) from None
            for job in lost:
                deaths[job.key] += 1
                if deaths[job.key] < _MOST_DEATHS:
                    suspects.append(job)
                else:
                    yield result_line(job, {"error": f"its worker died {_MOST_DEATHS} times"})

    @contextmanager
    def _pool(self) -> Iterator[ProcessPoolExecutor]:
        """Workers, which do not outlive the context, whatever they are at."""
        pool = ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), initializer=_start_worker,
            initargs=(self.layers_file,),
        )  # fmt: skip
        with one_thread():
            try:
                yield pool
            except BaseException:  # Ctrl-C, a full disk: nobody waits for their jobs
                for worker in multiprocessing.active_children():
                    worker.terminate()
                raise
            finally:
                pool.shutdown(cancel_futures=True)


def _one_by_one(jobs: deque[Job]) -> Iterator[list[Job]]:
    while jobs:
        yield [jobs.popleft()]


def _run_on(
    pool: ProcessPoolExecutor,
    messages: Iterator[list[Job]],
    ahead: int,
    lost: list[Job],
    learn: Callable[[list[dict[str, Any]]], None] = lambda lines: None,
) -> Iterator[dict[str, Any]]:
    """Runs jobs until there are none, ``ahead`` messages at once.

    When a worker dies it raises BrokenProcessPool, and ``lost`` are the jobs under way.
    """
    running: dict[Future[list[dict[str, Any]]], list[Job]] = {}
    try:
        while True:
            for message in itertools.islice(messages, ahead - len(running)):
                lost[:] = message  # until it is handed over
                running[pool.submit(_run_all, message)] = message
                lost.clear()
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                lines = future.result()
                del running[future]
                learn(lines)
                yield from lines
    except BrokenProcessPool:
        for future, message in running.items():
            if future.done() and future.exception() is None:
                yield from future.result()
            else:
                lost += message
        raise


def available_processors() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


class one_thread:  # noqa: N801  read as a phrase
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


def _start_worker(layers_file: Path | None) -> None:
    """Ctrl-C is the parent's business; a worker also ends when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import bpcli.sweep.work  # noqa: F401  so that the first job's time is its own

    if layers_file is not None:
        from bpcli.layers_file import load_layers

        load_layers(layers_file)


def _start() -> None:
    """A job before all others: it shows that workers can start."""


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _run_all(jobs: list[Job]) -> list[dict[str, Any]]:
    from bpcli.sweep.work import run_all

    return run_all(jobs)
