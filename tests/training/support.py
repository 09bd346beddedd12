"""Small runs: a data set in memory, specs built in Python, trainers on both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from bpcli.network import Network
from bpcli.spec.data import DataOptions, Xor
from bpcli.spec.layers import LAYERS
from bpcli.spec.model import EarlyStopping, Spec, TrainingOptions
from bpcli.spec.optimization import LOSSES, OPTIMIZERS, SCHEDULES
from bpcli.training import Listener, RunDirectory, StepEvent, Trainer


class MemoryPart:
    def __init__(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.inputs[rows], self.targets[rows]

    def slice(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return self.inputs[start:stop], self.targets[start:stop]


@dataclass
class MemoryTargets:
    kind: str = "classes"
    logits: bool = True
    factor: float = 1.0

    def unscale(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values, np.float64) / self.factor


@dataclass
class MemoryDataset:
    train: MemoryPart
    validation: MemoryPart | None = None
    test: MemoryPart | None = None
    targets: MemoryTargets | None = None

    @property
    def preparation(self) -> Any:
        return SimpleNamespace(targets=self.targets or MemoryTargets())


def part(count: int, seed: int, dtype: str = "float32") -> MemoryPart:
    """Two clouds that overlap a little, so that there is something left to learn."""
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    centres = np.array([[0, 1], [1, -1], [-1, 0]])[classes]
    return MemoryPart((centres + 0.6 * random.standard_normal((count, 2))).astype(dtype), classes)


def dataset(dtype: str = "float32") -> MemoryDataset:
    """21 examples to train on: batches of 4 leave a short one."""
    return MemoryDataset(part(21, 1, dtype), part(9, 2, dtype), part(6, 3, dtype))


def layer(name: str, **options: Any) -> Any:
    return LAYERS[name](**options)


def make_spec(
    *layers: Any,
    optimizer: Any = None,
    schedule: Any = None,
    loss: str = "cross_entropy",
    early_stopping: dict[str, Any] | None = None,
    seed: int = 0,
    dtype: str = "float32",
    **training: Any,
) -> Spec:
    stopping = EarlyStopping(**early_stopping) if early_stopping else None
    options = {"epochs": 2, "batch_size": 4} | training
    return Spec(
        data=DataOptions(generate=Xor()),
        network=layers or (layer("dense", units=5), layer("tanh"), layer("dense", units=3)),
        loss=LOSSES[loss](),
        seed=seed,
        dtype=dtype,
        optimizer=OPTIMIZERS["adam"](learning_rate=0.02) if optimizer is None else optimizer,
        schedule=SCHEDULES["constant"]() if schedule is None else schedule,
        training=replace(TrainingOptions(**options), early_stopping=stopping),
    )


def make_network(spec: Spec, inputs: int = 2) -> Network:
    return Network(
        spec.network,
        spec.loss,
        (inputs,),
        dtype=spec.dtype,
        seed=spec.seed,
        l2=spec.training.l2,
    )


def make_trainer(
    spec: Spec, data: MemoryDataset | None = None, run: RunDirectory | None = None, **options: Any
) -> Trainer:
    data = dataset(spec.dtype) if data is None else data
    network = make_network(spec, data.train.inputs.shape[1])
    return Trainer(spec, data, network, run=run, **options)


def make_run(folder: Any) -> RunDirectory:
    run = RunDirectory.create(folder, "test")
    run.begin("name: test\n", {}, {})
    return run


class InterruptAt(Listener):
    """As Ctrl-C while that step is computed."""

    def __init__(self, step: int) -> None:
        self.step = step

    def started(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def stepped(self, step: StepEvent) -> None:
        if step.step == self.step:
            self.trainer.interrupt(2)
