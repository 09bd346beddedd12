"""The live view of a training run, as lines for a screen of any size. Nothing here draws."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from bpcli.report.document import Block, Column, Line, Lines, Span, Table
from bpcli.report.figures import figure, parts_table, ratio_style
from bpcli.report.layout import crop, lay_out_block
from bpcli.report.text import count, duration, scientific, width
from bpcli.report.trend import Trend
from bpcli.training import EpochEvent, StepEvent, Trainer

_COLUMNS = (
    Column("layer", "left", shortens=True),
    Column("‖gradient‖"),
    Column("update:weight"),
    Column("trend", "left"),
)
_OTHER_COLUMNS = 29  # that the numbers and gaps of a row take
_TREND, _SHORTEST_TREND = 16, 6
_BAR, _BESIDE_BAR = 24, 44
_SMOOTHING = 0.98  # of the loss from step to step
_FEWEST_LAYERS = 3


@dataclass
class LiveState:
    """What is known of the run so far; the events of a listener keep it."""

    name: str = ""
    epochs: int = 0
    total_steps: int = 0
    first_step: int = 0  # that a resumed run had taken
    step: int = 0
    epoch: int = 1
    loss: float | None = None
    examples: int = 0  # seen since it began or was resumed
    began: float = field(default_factory=time.monotonic)
    last: EpochEvent | None = None
    best: str = ""
    layers: list[dict[str, Any]] = field(default_factory=list)
    trends: dict[str, Trend] = field(default_factory=dict)

    def started(self, trainer: Trainer) -> None:
        self.name, self.epochs = trainer.spec.name, trainer.spec.training.epochs
        self.total_steps = trainer.stepper.total_steps
        self.step = self.first_step = trainer.stepper.steps
        self.epoch = min(trainer.epochs + 1, self.epochs)
        self.began = time.monotonic()

    def stepped(self, event: StepEvent) -> None:
        self.step, self.epoch = event.step, event.epoch
        self.examples += event.examples
        before = event.loss if self.loss is None else self.loss
        self.loss = _SMOOTHING * before + (1 - _SMOOTHING) * event.loss
        if event.layers is not None:
            self.layers = event.layers
            for layer in event.layers:
                name = layer["name"]
                if name not in self.trends:
                    self.trends[name] = Trend()
                self.trends[name].add(layer["gradient_norm"])

    def epoch_ended(self, event: EpochEvent) -> None:
        self.last = event
        if event.best:
            self.best = f"best: epoch {event.epoch}"

    # -- as lines

    def view(self, columns: int, rows: int) -> list[Line]:
        """The whole view, at most that large."""
        bar = max(0, min(_BAR, columns - _BESIDE_BAR))
        blocks: list[Block] = [Lines((self._title(), self._progress(bar))), self._figures()]
        lines = _joined(blocks, columns)
        if self.layers:
            left = max(rows - len(lines) - 2, _FEWEST_LAYERS)
            lines += [(), *lay_out_block(self._layer_table(left, columns), columns)]
        return [crop(line, columns) for line in lines[:rows]]

    def last_view(self, columns: int) -> list[Line]:
        """What stays on the screen after the run: the layers, all of them."""
        if not self.layers:
            return []
        return [*lay_out_block(self._layer_table(len(self.layers), columns), columns), ()]

    def _title(self) -> list[Span | str]:
        steps = f"step {self.step:,}/{self.total_steps:,}"
        return [Span(self.name, "strong"), f" · epoch {self.epoch}/{self.epochs} · {steps}"]

    def _progress(self, bar: int) -> list[Span | str]:
        share = self.step / self.total_steps if self.total_steps else 1.0
        filled = round(share * bar)
        return [
            Span("━" * filled, "accent"),
            Span("─" * (bar - filled), "muted"),
            f" {100 * share:3.0f}%  {self._speed()}",
        ]

    def _speed(self) -> str:
        seconds, steps = time.monotonic() - self.began, self.step - self.first_step
        if not steps or seconds <= 0:
            return "starting"
        left = (self.total_steps - self.step) * seconds / steps
        return f"{count(self.examples / seconds)} examples/s  {duration(round(left))} left"

    def _figures(self) -> Block:
        if self.last is None:
            return Lines((f"loss {figure('loss', self.loss)}",))
        parts = {"train": self.last.train}
        if self.last.validation is not None:
            parts["validation"] = self.last.validation
        now = f"now {figure('loss', self.loss)}"
        return parts_table(parts, {"train": now, "validation": self.best})

    def _layer_table(self, rows: int, columns: int) -> Table:
        """The layers, those in the middle left out where there are more than rows."""
        layers, head = self.layers, rows // 2
        hidden = len(layers) - rows + 1 if len(layers) > rows else 0
        names = max(width(layer["name"]) for layer in layers)
        trend = max(_SHORTEST_TREND, min(_TREND, columns - names - _OTHER_COLUMNS))
        table = [
            self._layer_row(layer, trend)
            for number, layer in enumerate(layers)
            if not hidden or not head <= number < head + hidden
        ]
        if hidden:
            table.insert(head, [Span(f"… {hidden} more", "muted"), "", "", ""])
        return Table(_COLUMNS, table)

    def _layer_row(self, layer: dict[str, Any], trend: int) -> list[Span | str]:
        ratio = layer.get("update_ratio")
        return [
            layer["name"],
            scientific(layer["gradient_norm"]),
            Span(scientific(ratio), ratio_style(ratio)),
            Span(self.trends[layer["name"]].line(trend), "accent"),
        ]


def _joined(blocks: list[Block], columns: int) -> list[Line]:
    lines: list[Line] = []
    for block in blocks:
        lines += [*([()] if lines else []), *lay_out_block(block, columns)]
    return lines
