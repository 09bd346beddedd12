"""The live view over a real training run of tiny steps: how often it draws, and what it costs."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from bpcli.build import prepare
from bpcli.diagnosis.recorder import Recorder
from bpcli.report.terminal.live import LiveView
from bpcli.spec import parse_spec
from bpcli.training import EpochEvent, StepEvent, Trainer

SPEC = """\
data: {generate: {blobs: {samples: 400, classes: 3}}, split: {validation: 0.2}}
network: [{repeat: {times: 12, layers: [{dense: 16}, tanh]}}, {dense: 3}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.001}}
training: {epochs: 400, batch_size: 16}
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Timed(LiveView):
    """Keeps the times of its drawings, and the seconds that the run spent on it."""

    def __init__(self, stream: Terminal) -> None:
        super().__init__(stream, coloured=True)
        self.frames: list[float] = []
        self.spent = 0.0

    def _timed(self, call: Callable[[Any], None], event: Any) -> None:
        began = time.perf_counter()
        call(event)
        self.spent += time.perf_counter() - began

    def stepped(self, step: StepEvent) -> None:
        self._timed(super().stepped, step)

    def epoch_ended(self, epoch: EpochEvent) -> None:
        self._timed(super().epoch_ended, epoch)

    def _draw(self, lines: Any) -> None:
        self.frames.append(time.perf_counter())
        super()._draw(lines)


@pytest.mark.slow
def test_at_most_ten_frames_a_second_and_two_percent_of_the_time() -> None:
    spec = parse_spec(SPEC)
    dataset, network = prepare(spec)
    view = Timed(Terminal())
    began = time.perf_counter()
    with view:
        trainer = Trainer(spec, dataset, network, listeners=[view])
        trainer.recorder = Recorder(trainer.stepper.total_steps, interval=10)
        trainer.train()
        seconds = time.perf_counter() - began
        frames = len(view.frames)
    gaps = [b - a for a, b in zip(view.frames, view.frames[1:frames], strict=False)]
    assert seconds > 1
    assert frames > 2
    assert min(gaps) >= 0.1
    assert frames <= 10 * seconds + 1
    assert view.spent < 0.02 * seconds, f"{view.spent:.3f} of {seconds:.3f} s"
