"""Progress in lines that stay: for logs, pipes and terminals that show no animation."""

from __future__ import annotations

import time
from collections.abc import Callable

from bpcli.report.document import Line, Span
from bpcli.report.figures import figure, title
from bpcli.report.text import count
from bpcli.training import EpochEvent, Listener, Outcome, Trainer

Say = Callable[[Line], None]
_SHOWN = ("loss", "accuracy", "rmse", "r2", "perplexity")
_TITLES = {"train": "", "validation": "validation "}


def is_milestone(epoch: int) -> bool:
    """1, 2, 5, 10, 20, 50, 100, ..."""
    while epoch % 10 == 0:
        epoch //= 10
    return epoch in (1, 2, 5)


class EpochLines(Listener):
    """A line at epochs 1, 2, 5, 10, 20, 50, ... and at the last one."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.waiting: EpochEvent | None = None  # not shown so far
        self.widths: list[int] = []

    def started(self, trainer: Trainer) -> None:
        self.epochs = trainer.spec.training.epochs
        self.examples = len(trainer.dataset.train)
        self.began, self.first = time.monotonic(), trainer.epochs

    def epoch_ended(self, epoch: EpochEvent) -> None:
        self.waiting = epoch
        if is_milestone(epoch.epoch) or epoch.epoch == self.epochs:
            self._show()

    def finished(self, outcome: Outcome) -> None:
        if self.waiting is not None:
            self._show()

    def _show(self) -> None:
        assert self.waiting is not None
        cells = self._cells(self.waiting)
        if not self.widths:
            titles = [name for name, _ in cells]
            self.widths = [max(len(name), 8) for name in titles]
            self._line(titles, "muted")
        self._line([cell for _, cell in cells])
        self.waiting = None

    def _line(self, cells: list[str], style: str = "plain") -> None:
        padded = (f"{cell:>{width}}" for cell, width in zip(cells, self.widths, strict=True))
        self.say((Span("  ".join(padded), "muted" if style == "muted" else "plain"),))

    def _cells(self, event: EpochEvent) -> list[tuple[str, str]]:
        """(title, content) of each column."""
        cells = [("epoch", f"{event.epoch}/{self.epochs}")]
        for part, figures in (("train", event.train), ("validation", event.validation)):
            for metric in _SHOWN:
                if figures is not None and metric in figures:
                    first = "train " if part == "train" else "validation "
                    name = (first if metric == "loss" else "") + title(metric)
                    cells.append((name, figure(metric, figures[metric])))
        seconds = max(time.monotonic() - self.began, 1e-9)
        speed = (event.epoch - self.first) * self.examples / seconds
        return [*cells, ("examples/s", count(speed))]
