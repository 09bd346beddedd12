"""Jobs on Dask distributed, for more than one machine; Dask does the scheduling.

Workers must compute the same bits as each other: one with another bpcli, NumPy, BLAS core type or
number of BLAS threads than most is refused, whenever it joins, and the reason is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from bpcli.errors import BpcliError
from bpcli.memory import format_bytes
from bpcli.sweep.engines.cluster import Cluster, Message
from bpcli.sweep.engines.local import one_thread
from bpcli.sweep.engines.messages import Messages
from bpcli.sweep.engines.own_cluster import own_cluster
from bpcli.sweep.engines.visitor import Reply, Shipment
from bpcli.sweep.jobs import Job, result_line

_PATIENCE = 10.0  # seconds to reach a scheduler and its first worker
_MOST_BYTES = 1 << 30  # of a file that is sent to workers


class DaskEngine:
    """``address`` is a running scheduler's, or ``local`` for one of its own with ``workers``.

    Raises BpcliError where distributed is not installed, no scheduler answers, no worker is
    there, or none can be used.
    """

    def __init__(
        self,
        address: str,
        workers: int,
        layers_file: Path | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.address, self.workers, self.warn = address, workers, warn
        self.layers_file = layers_file

    @contextmanager
    def ready(self, files: Sequence[Path]) -> Iterator[None]:
        """Connects, and chooses what workers must agree in."""
        distributed = _distributed()
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told below
        with (
            one_thread(),  # for the workers that are started here
            _cluster(distributed, self.address, self.workers) as place,
            _connected(distributed, place) as client,
        ):
            self._cluster = Cluster(client, self.address, self.warn)
            reference = self._cluster.choose()
            self._shipment = Shipment.of(reference, files, self.layers_file)
            yield

    def run(self, jobs: Iterable[Job]) -> Iterator[dict[str, Any]]:
        """Each job's line. Dask gives the jobs of a worker that died to others; those of a message
        that killed several are tried one by one."""
        cluster, messages = self._cluster, Messages(jobs)
        again: list[list[Job]] = []
        while True:
            while cluster.has_room and (following := again.pop() if again else next(messages, [])):
                cluster.submit(Message(following, self._shipment))
            if not cluster.running:
                return
            again += cluster.look()
            for message, result in cluster.ended():
                if isinstance(result, Reply):
                    messages.learn(result.lines)
                    yield from result.lines
                    if not result.lines:
                        again.append(message.jobs)
                        self._provide(result)
                elif len(message.jobs) > 1:
                    again += [[job] for job in message.jobs]
                else:
                    yield result_line(message.jobs[0], {"error": "its workers died"})

    def _provide(self, reply: Reply) -> None:
        if reply.refusal:
            self._cluster.refuse(reply.worker, reply.refusal)
        for file in reply.lacks:
            if file.size > _MOST_BYTES:
                raise BpcliError(
                    f"the worker {reply.worker} has no {file.path}, which is too large to send "
                    f"({format_bytes(file.size)}); copy it to the same path there"
                )
            self._cluster.send(reply.worker, file)


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
    return own_cluster(distributed, workers)


@contextmanager
def _connected(distributed: Any, place: Any) -> Iterator[Any]:
    try:
        client = distributed.Client(place, timeout=_PATIENCE)
    except Exception as error:  # an address is checked in many places
        raise _unreachable(place, "no Dask scheduler answers", error) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except Exception as error:
            raise _unreachable(place, "the Dask scheduler has no worker", error) from None
        yield client


def _unreachable(place: Any, what: str, error: Exception) -> BpcliError:
    reason = f" ({error})" if str(error) else ""
    return BpcliError(
        f"--dask {place}: {what} within {_PATIENCE:.0f} s{reason}; start `dask scheduler` and "
        "`dask worker ADDRESS`, or leave --dask out"
    )
