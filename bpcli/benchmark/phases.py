"""The phases of a step, and the layers within them, timed while somebody looks on.

Looking on costs time of its own, so the time of the whole step is never taken from here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from bpcli.network import Node
from bpcli.optimization import clip
from bpcli.training import Stepper
from bpcli.training.events import Recorder

PHASES = ("data", "forward", "loss", "backward", "optimizer")
Times = dict[Any, list[float]]


class LayerClock:
    """An observer that notes how long each layer's event took: the time since the one before.

    Events of the layers inside a layer come before its own, so its own time is what they leave.
    """

    def __init__(self) -> None:
        self.forward_times: Times = defaultdict(list)
        self.backward_times: Times = defaultdict(list)
        self.last = 0.0

    def start(self) -> float:
        self.last = time.perf_counter()
        return self.last

    def forward(self, node: Node, inputs: Any, outputs: Any) -> None:
        now = time.perf_counter()
        self.forward_times[node.layer.path].append(now - self.last)
        self.last = time.perf_counter()

    def backward(self, node: Node, output_gradient: Any, input_gradient: Any) -> None:
        now = time.perf_counter()
        self.backward_times[node.layer.path].append(now - self.last)
        self.last = time.perf_counter()


class PhaseClock:
    """Takes steps apart with the stepper's own batches, network and optimizer."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper, self.layers = stepper, LayerClock()
        self.times: Times = {phase: [] for phase in PHASES}

    def step(self) -> None:
        with self.stepper.network.threads():
            self._step()

    def _step(self) -> None:
        stepper, network = self.stepper, self.stepper.network
        if stepper.batches.exhausted:
            stepper.batches.rewind()
        marks = [self.layers.start()]
        inputs, targets = stepper.batches.next()
        marks.append(self.layers.start())
        outputs = network.forward(inputs, training=True, random=stepper.dropout)
        marks.append(time.perf_counter())
        value, cache = network.loss.forward(outputs, targets)
        output_gradient = network.loss.backward(cache)
        float(value)
        marks.append(self.layers.start())
        network.backward(output_gradient)
        marks.append(time.perf_counter())
        self._update()
        marks.append(time.perf_counter())
        for phase, begun, ended in zip(PHASES, marks, marks[1:], strict=False):
            self.times[phase].append(ended - begun)

    def _update(self) -> None:
        stepper, parameters = self.stepper, self.stepper.network.parameters.trainable
        gradients = stepper.network.gradients.trainable
        clip(gradients, stepper.options.clip_norm, stepper.options.clip_value)
        stepper.optimizer.step(parameters, gradients, stepper.learning_rate)


class RecordingClock:
    """What a recorded step takes more than one that is not recorded.

    Where ``every`` step is, it comes after another recorded one, which has left it what it knows of
    the parameters.
    """

    def __init__(self, stepper: Stepper, recorder: Recorder, *, every: bool) -> None:
        self.stepper, self.recorder, self.every = stepper, recorder, every
        self.times: list[float] = []

    def pair(self) -> None:
        begun = time.perf_counter()
        self.stepper.step()
        plain = time.perf_counter() - begun
        if self.every:
            self._recorded()
        begun = time.perf_counter()
        self._recorded()
        self.times.append(time.perf_counter() - begun - plain)

    def _recorded(self) -> None:
        loss = self.stepper.step(self.recorder)
        self.recorder.end(self.stepper.steps, 1, loss)
