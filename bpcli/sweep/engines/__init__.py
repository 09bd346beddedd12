"""Engines that run jobs: processes of this machine, or Dask; no scheduler of our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from bpcli.sweep.jobs import Job


class Engine(Protocol):
    """Runs jobs and gives their lines as they end, in any order."""

    def ready(self, files: Sequence[Path]) -> AbstractContextManager[object]:
        """Reaches what the jobs will run on; ``files`` are those that they read.

        Raises BpcliError, before any job has started, where it cannot be reached or used.
        """
        ...

    def run(self, jobs: Iterable[Job]) -> Iterator[dict[str, Any]]: ...
