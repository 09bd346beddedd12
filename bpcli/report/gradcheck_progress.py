"""How far a gradient check is, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from bpcli.report.text import duration

_PATIENCE = 1.0  # seconds: a check that takes less says nothing
_INTERVALS = {True: 0.2, False: 5.0}  # seconds, in place on a terminal, else line by line


class CheckProgress:
    """Says what is done and the time left; on a terminal in one line that it writes again."""

    def __init__(self, write: Callable[[str], None], *, in_place: bool) -> None:
        self._write, self._in_place = write, in_place
        self._begin = time.monotonic()
        self._next = self._begin + _PATIENCE
        self._shown = False

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVALS[self._in_place]
        share = min(done / total, 1.0) if total else 1.0
        left = (now - self._begin) * (1 - share) / share if share else total
        line = f"checking every element: {share:4.0%}, {duration(left)} left"
        self._write(f"\r\x1b[K{line}" if self._in_place else line + "\n")
        self._shown = True

    def clear(self) -> None:
        if self._shown and self._in_place:
            self._write("\r\x1b[K")
