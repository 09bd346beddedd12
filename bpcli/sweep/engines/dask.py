"""Jobs on Dask distributed, for more than one machine; Dask does the scheduling.

Workers must compute the same bits as each other and as this machine would: those with another
bpcli, NumPy, BLAS core type or number of BLAS threads are refused before anything starts.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from bpcli.errors import BpcliError
from bpcli.sweep.engines.local import THREADS
from bpcli.sweep.jobs import Job, result_line

_MESSAGE = 16  # jobs
_MOST_TRIES = 3
_PATIENCE = 10  # seconds to reach a scheduler and its first worker
_SAME = ("bpcli", "numpy", "core_type", "threads")


class DaskEngine:
    """``address`` is a running scheduler's, or ``local`` for one of its own with ``workers``.

    Raises BpcliError where distributed is not installed, no scheduler answers, no worker is
    there, or workers differ in what decides their bits.
    """

    def __init__(self, address: str, workers: int) -> None:
        self.address, self.workers = address, workers

    def run(self, jobs: Iterable[Job]) -> Iterator[dict[str, Any]]:
        distributed = _distributed()
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))  # for the workers that are started here
        try:
            with (
                _cluster(distributed, self.address, self.workers) as place,
                _client(distributed, place) as client,
            ):
                _check_workers(client)
                yield from _run_on(distributed, client, iter(jobs))
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _distributed() -> Any:
    try:
        return import_module("distributed")
    except ImportError:
        raise BpcliError(
            "--dask needs Dask distributed, which is not installed; `pip install 'bpcli[sweep]'` "
            "brings it, and without --dask a sweep runs on this machine's cores"
        ) from None


def _cluster(distributed: Any, address: str, workers: int) -> Any:
    """Something to connect to, which is closed at the end if it was started here."""
    if address != "local":
        return nullcontext(address)
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )


def _client(distributed: Any, address: Any) -> Any:
    try:
        client = distributed.Client(address, timeout=_PATIENCE)
        client.wait_for_workers(1, timeout=_PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise BpcliError(
            f"no Dask scheduler with a worker answers at {address!r} ({error or 'time ran out'}); "
            "start `dask scheduler` and `dask worker ADDRESS`, or leave --dask out"
        ) from None
    return client


def _check_workers(client: Any) -> None:
    found: dict[str, dict[str, Any]] = client.run(environment)
    first, reference = next(iter(found.items()))
    for name, other in found.items():
        for what in _SAME:
            if other[what] != reference[what]:
                raise BpcliError(
                    f"the workers differ in {what}: {reference[what]} on {first}, {other[what]} on "
                    f"{name}; results would not be the same bits. Give all the same versions and "
                    "OPENBLAS_NUM_THREADS=1, or leave that worker out"
                )


def environment() -> dict[str, Any]:
    """What decides a worker's bits."""
    import numpy as np

    import bpcli
    from bpcli.training.environment import blas

    return {"bpcli": bpcli.__version__, "numpy": np.__version__, **blas()}


def _run_on(distributed: Any, client: Any, jobs: Iterator[Job]) -> Iterator[dict[str, Any]]:
    """Keeps a few messages a worker under way. Jobs of a worker that died go to others."""
    ahead = 4 * max(1, len(client.scheduler_info()["workers"]))
    chunks = iter(lambda: list(itertools.islice(jobs, _MESSAGE)), [])
    running = {
        client.submit(_run_all, chunk, pure=False, retries=_MOST_TRIES): chunk
        for chunk in itertools.islice(chunks, ahead)
    }
    completed = distributed.as_completed(list(running))
    for future in completed:
        chunk = running.pop(future)
        try:
            yield from future.result()
        except distributed.KilledWorker:
            yield from (result_line(job, {"error": "its workers died"}) for job in chunk)
        following = next(chunks, None)
        if following:
            new = client.submit(_run_all, following, pure=False, retries=_MOST_TRIES)
            running[new] = following
            completed.add(new)


def _run_all(jobs: list[Job]) -> list[dict[str, Any]]:
    from bpcli.sweep.work import run_all

    return run_all(jobs)
