"""The workers of a Dask cluster that a sweep may use, and the messages that are on their way."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bpcli.errors import BpcliError
from bpcli.sweep.engines.visitor import (
    File,
    Reply,
    Shipment,
    difference,
    environment,
    pack,
    receive,
    visit,
)
from bpcli.sweep.jobs import Job

_AHEAD = 3  # messages a thread of a worker
_ALONE = 60.0  # seconds without any worker until the sweep gives up
_LOOK = 1.0  # seconds between looks at the cluster
_VERSIONS = ("bpcli", "numpy")
_BITS = ("core_type", "threads")


class Message(NamedTuple):
    """Jobs for one worker, and what it needs for them."""

    jobs: list[Job]
    shipment: Shipment


class _UnderWay(NamedTuple):
    message: Message
    workers: frozenset[str] | None  # that it may go to; None: any


class Cluster:
    """The workers that may be used, and the messages that are on their way to them."""

    def __init__(self, client: Any, address: str, warn: Callable[[str], None]) -> None:
        self.client, self.address, self.warn = client, address, warn
        self.running: dict[Any, _UnderWay] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._refused: dict[str, str] = {}  # workers, and why
        self._sent: set[tuple[str, File]] = set()
        self._threads: dict[str, int] = {}  # of the workers that are there
        self._looked = self._peopled = time.monotonic()

    # which workers

    def choose(self) -> dict[str, Any]:
        """The environment that most workers share, of those with the bpcli of this process, for
        jobs are sent as its objects. The others are refused."""
        own = environment()
        found: dict[str, Any] = self.client.run(environment, on_error="return")
        self._threads = self.client.nthreads()
        good = {}
        for worker, there in found.items():
            if not isinstance(there, dict):
                self._refused[worker] = f"it cannot import bpcli ({there})"
            elif other := difference(there, own, _VERSIONS):
                self._refused[worker] = other
            else:
                good[worker] = there
        kinds = Counter((there["core_type"], there["threads"]) for there in good.values())
        here = (own["core_type"], own["threads"])
        most = max(kinds, key=lambda kind: (kinds[kind], kind == here, str(kind)), default=here)
        reference = own | dict(zip(_BITS, most, strict=True))
        for worker, there in good.items():
            if other := difference(there, reference, _BITS):
                self._refused[worker] = other
        self._require_some()
        for worker, reason in self._refused.items():
            self._tell(worker, reason)
        if reference["core_type"] != own["core_type"]:
            self.warn(
                f"the workers' BLAS core type is {reference['core_type']}, here it is "
                f"{own['core_type']}: results are the workers' bits, not this machine's"
            )
        return reference

    def refuse(self, worker: str, reason: str) -> None:
        """Gives that worker no more messages."""
        if worker not in self._refused:
            self._refused[worker] = reason
            self._tell(worker, reason)
        self._require_some()

    def _tell(self, worker: str, reason: str) -> None:
        self.warn(f"the worker {worker} is left out, its results would be other bits: {reason}")

    def _require_some(self) -> None:
        if self._threads and not self._usable:
            worker = next(each for each in self._threads if each in self._refused)
            raise BpcliError(
                f"no worker of {self.address} can be used; {worker}: {self._refused[worker]}. "
                "Install the same versions everywhere and set OPENBLAS_NUM_THREADS=1"
            )

    @property
    def _usable(self) -> frozenset[str]:
        return frozenset(self._threads) - self._refused.keys()

    # what is on its way

    @property
    def has_room(self) -> bool:
        threads = sum(self._threads[worker] for worker in self._usable)
        return len(self.running) < _AHEAD * max(1, threads)

    def submit(self, message: Message) -> None:
        workers = self._usable if self._refused else None
        future = self.client.submit(
            visit, message.shipment, pack(message.jobs), pure=False,
            workers=list(workers) if workers else None,
        )  # fmt: skip
        self.running[future] = _UnderWay(message, workers)
        future.add_done_callback(self._ended.put)

    def ended(self) -> Iterator[tuple[Message, Reply | None]]:
        """The messages that ended since, with what was replied; None: it killed its workers.

        Waits for one, but not for long: the cluster may have changed.
        """
        with suppress(queue.Empty):
            futures = [self._ended.get(timeout=_LOOK)]
            while not self._ended.empty():
                futures.append(self._ended.get())
            for future in futures:
                under_way = self.running.pop(future, None)
                if under_way is not None:  # else it was called back
                    yield under_way.message, self._reply(future)

    def _reply(self, future: Any) -> Reply | None:
        try:
            reply: Reply = future.result()
            return reply
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                return None
            if future.status == "cancelled":
                raise self._gone() from None
            raise BpcliError(
                f"a worker of {self.address} could not take jobs: {type(error).__name__}: {error}"
            ) from None

    def _gone(self) -> BpcliError:
        return BpcliError(
            f"the Dask scheduler at {self.address} is gone; what had ended is recorded, and the "
            "same command goes on from there"
        )

    def look(self) -> list[list[Job]]:
        """Looks, now and then, at who is there. Gives the jobs that nobody is left to run."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return []
        self._looked = now
        if self.client.status not in ("running", "connecting"):
            raise self._gone()
        try:
            self._threads = self.client.nthreads()
        except Exception:  # whatever a connection fails with
            raise self._gone() from None
        if self._threads:
            self._peopled = now
        elif now - self._peopled > _ALONE:
            raise BpcliError(
                f"the scheduler at {self.address} has had no worker for {_ALONE:.0f} s; what had "
                "ended is recorded, and the same command goes on from there"
            )
        self._require_some()
        return list(self._called_back())

    def _called_back(self) -> Iterator[list[Job]]:
        usable = self._usable
        for future, (message, workers) in list(self.running.items()):
            if workers is not None and usable and not workers & usable:
                del self.running[future]
                future.cancel()
                yield message.jobs

    def send(self, worker: str, file: File) -> None:
        """The file's content, once; a worker that died needs none."""
        if (worker, file) in self._sent:
            return
        self._sent.add((worker, file))
        with suppress(OSError, ValueError):
            self.client.run(receive, file, Path(file.path).read_bytes(), workers=[worker])
