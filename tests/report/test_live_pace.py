"""The live view over a real training run of tiny steps: how often it draws."""

from __future__ import annotations

import io
import itertools
import time
from typing import Any

import pytest

from bpcli.build import prepare
from bpcli.diagnosis.recorder import Recorder
from bpcli.report.terminal.live import LiveView
from bpcli.spec import parse_spec
from bpcli.training import Trainer

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


class Counted(LiveView):
    """Keeps the times of its drawings; ``cost`` is the seconds that each takes at least."""

    cost = 0.0

    def __init__(self, stream: Terminal) -> None:
        super().__init__(stream, coloured=True)
        self.frames: list[float] = []

    def _draw(self, lines: Any) -> None:
        self.frames.append(time.monotonic())
        time.sleep(self.cost)
        super()._draw(lines)


def frames_of_training(cost: float) -> tuple[list[float], float]:
    """When a run was drawn, and how long it took."""
    spec = parse_spec(SPEC)
    dataset, network = prepare(spec)
    view = Counted(Terminal())
    view.cost = cost
    with view:
        began = time.monotonic()
        trainer = Trainer(spec, dataset, network, listeners=[view])
        trainer.recorder = Recorder(trainer.stepper.total_steps, interval=10)
        trainer.train()
        return view.frames[:], time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize(("cost", "shortest"), [(0.0, 0.1), (0.005, 0.5)])
def test_at_most_ten_frames_a_second_and_a_hundredth_of_the_time(
    cost: float, shortest: float
) -> None:
    """A drawing that takes 5 ms is not made again for half a second."""
    frames, seconds = frames_of_training(cost)
    gaps = [after - before for before, after in itertools.pairwise(frames)]
    assert seconds > 1
    assert gaps
    assert min(gaps) >= shortest
    assert len(frames) <= seconds / shortest + 1
