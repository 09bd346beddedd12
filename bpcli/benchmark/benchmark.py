"""One benchmark of one spec: the step, its phases and layers, the machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bpcli.benchmark.ceiling import ceiling
from bpcli.benchmark.phases import PHASES, LayerClock, PhaseClock, RecordingClock
from bpcli.benchmark.timing import median, repeat
from bpcli.data import Dataset
from bpcli.errors import BpcliError
from bpcli.memory import peak_memory
from bpcli.network import Network, Node
from bpcli.network.cost import multiply_adds
from bpcli.spec.model import Spec
from bpcli.training import Stepper
from bpcli.training.environment import blas
from bpcli.training.events import Recorder
from bpcli.training.screening import NonFiniteError


class UnstableError(BpcliError):
    """A network that cannot take a step with its initial weights."""

    exit_code = 3


@dataclass(frozen=True)
class LayerTime:
    """Median seconds of one layer in a step, and its multiply-adds in one."""

    name: str
    type: str
    forward: float
    backward: float
    multiply_adds: int


@dataclass(frozen=True)
class Benchmark:
    """Medians over steps; ``ceiling`` is the machine's multiply-adds a second."""

    step: float  # seconds
    fastest_step: float
    steps: int  # that were timed
    examples: int  # a step
    phases: dict[str, float]  # seconds
    layers: list[LayerTime]
    ceiling: float
    peak_memory: int | None
    blas: dict[str, Any]

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.step

    @property
    def multiply_adds(self) -> int:
        return sum(layer.multiply_adds for layer in self.layers)

    def fraction(self, products: float, seconds: float) -> float:
        """Of the ceiling that this many multiply-adds in this time reach."""
        return products / seconds / self.ceiling if seconds else 0.0


def benchmark(
    spec: Spec,
    dataset: Dataset,
    network: Network,
    seconds: float = 3.0,
    *,
    recorder: Recorder | None = None,
    interval: int = 1,
) -> Benchmark:
    """Times training steps of the spec, within about that many seconds.

    A step is what training does: take the next shuffled batch, forward, loss, backward,
    optimizer, the loss as a Python float. Its phases and layers are timed in other steps, because
    looking on takes time. The learning rate is 0, so that all steps are alike and none diverges.
    With a recorder there is a phase `recording`: what a recorded step takes more, over the interval
    from one to the next. Raises UnstableError where training would stop at its first step.
    """
    optimizer: Any = spec.optimizer
    still = replace(spec, optimizer=replace(optimizer, learning_rate=0.0))
    stepper = Stepper(still, dataset.train, network)
    batches = spec.training.accumulate
    examples = min(spec.training.batch_size * batches, len(dataset.train))
    clock = PhaseClock(stepper)
    with np.errstate(all="ignore"):
        try:
            times = repeat(stepper.step, seconds / 2)
        except NonFiniteError as error:
            raise UnstableError(f"no step can be timed: {error}") from None
        network.observe(clock.layers)
        try:
            repeat(clock.step, seconds / 4)
        finally:
            network.observe(None)
        phases = {phase: _of_step(clock.times[phase], batches, phase) for phase in PHASES}
        if recorder is not None:
            recording = RecordingClock(stepper, recorder, every=interval == 1)
            repeat(recording.pair, seconds / 8)
            phases["recording"] = max(0.0, median(recording.times)) / interval
    return Benchmark(
        step=median(times),
        fastest_step=min(times),
        steps=len(times),
        examples=examples,
        phases=phases,
        layers=[_layer(node, clock.layers, examples, batches) for node in network.nodes],
        ceiling=ceiling(spec.dtype, seconds / 8),
        peak_memory=peak_memory(),
        blas=blas(),
    )


def _of_step(times: list[float], batches: int, phase: str) -> float:
    """A step has one update, whatever the number of its batches."""
    return median(times) * (1 if phase == "optimizer" else batches)


def _layer(node: Node, clock: LayerClock, examples: int, batches: int) -> LayerTime:
    path = node.layer.path
    # backward multiplies for the weights, and again where a layer before needs the gradient
    products = 3 if node.layer.needs_input_gradient else 2
    return LayerTime(
        path,
        node.layer.name,
        batches * median(clock.forward_times[path]),
        batches * median(clock.backward_times[path]),
        examples * products * multiply_adds(node),
    )
