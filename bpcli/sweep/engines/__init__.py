"""Engines that run jobs: processes of this machine, or Dask; no scheduler of our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from bpcli.sweep.jobs import Job


class Engine(Protocol):
    """Runs jobs and gives their lines as they end, in any order."""

    def run(self, jobs: Iterable[Job]) -> Iterator[dict[str, Any]]: ...
