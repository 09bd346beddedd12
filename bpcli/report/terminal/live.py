"""Draws the live view: at most ten times a second, and for less than 2% of the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TextIO

from rich.live import Live
from rich.text import Text

from bpcli.report.document import Line, Piece, spans
from bpcli.report.live import LiveState
from bpcli.report.terminal.document import console, text_of
from bpcli.training import EpochEvent, Listener, StepEvent, Trainer

_SHORTEST = 0.1  # seconds between drawings
# of the time that drawing may take; listening takes up to 0.01, with steps of half a millisecond of
# which every third is recorded
_SHARE = 0.008


class LiveView(Listener):
    """Shows a run while it goes on; use it as a context, which gives the cursor back."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        self.coloured = coloured
        self.console = console(stream, coloured=coloured)
        self.live = Live(console=self.console, auto_refresh=False, transient=False)
        self.state = LiveState()
        self._next = 0.0

    def __enter__(self) -> LiveView:
        self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._draw(self.state.last_view(self.console.width))
        self.live.stop()

    def started(self, trainer: Trainer) -> None:
        self.state.started(trainer)
        self._show()

    def stepped(self, step: StepEvent) -> None:
        self.state.stepped(step)
        if time.monotonic() >= self._next:
            self._show()

    def epoch_ended(self, epoch: EpochEvent) -> None:
        self.state.epoch_ended(epoch)

    def announce(self, *lines: Sequence[Piece]) -> None:
        """Writes lines that stay, above the view."""
        for line in lines:
            self.console.print(text_of(spans(line), coloured=self.coloured))

    def _show(self) -> None:
        began = time.monotonic()
        size = self.console.size
        self._draw(self.state.view(size.width, size.height - 1))
        cost = time.monotonic() - began
        self._next = began + cost + max(_SHORTEST, cost / _SHARE)

    def _draw(self, lines: list[Line]) -> None:
        text = Text("\n", no_wrap=True, overflow="crop").join(
            text_of(line, coloured=self.coloured) for line in lines
        )
        self.live.update(text, refresh=True)
