"""Jobs in messages: one by one where each takes long, several at once where they are short."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from bpcli.sweep.jobs import Job

_SECONDS = 0.05  # of work in a message: passing it costs little beside it
_MOST = 64


class Messages:
    """Takes jobs in order, as many at once as the time of those that ended suggests."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)
        self._seconds: float | None = None  # of a job, a running mean

    def __iter__(self) -> Iterator[list[Job]]:
        return self

    def __next__(self) -> list[Job]:
        message = list(itertools.islice(self._jobs, self._size()))
        if not message:
            raise StopIteration
        return message

    def learn(self, lines: Iterable[dict[str, Any]]) -> None:
        """How long jobs take."""
        for line in lines:
            seconds = line.get("seconds", 0.0)
            before = seconds if self._seconds is None else self._seconds
            self._seconds = 0.9 * before + 0.1 * seconds

    def _size(self) -> int:
        if self._seconds is None:
            return 1
        return max(1, min(_MOST, int(_SECONDS / max(self._seconds, 1e-6))))
