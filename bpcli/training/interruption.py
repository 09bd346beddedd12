"""Signals that end a run in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_to(interrupt: Callable[[int], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call ``interrupt`` with the signal's number; a second one ends at once.

    At once is SystemExit(128 + number). The handlers that stood before stand again afterwards;
    outside the main thread, which alone is told of signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            raise SystemExit(128 + number)
        received.append(number)
        interrupt(number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
