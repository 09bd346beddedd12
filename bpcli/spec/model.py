"""A whole spec as frozen dataclasses, and the families that its named things belong to."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bpcli.spec.data import GENERATORS, DataOptions
from bpcli.spec.initializers import INITIALIZERS
from bpcli.spec.layers import LAYERS, LayerOptions
from bpcli.spec.optimization import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    Adam,
    ConstantRate,
    Loss,
    Optimizer,
    Schedule,
)
from bpcli.spec.options import (
    Boolean,
    Choice,
    Integer,
    Items,
    Layers,
    Mapping,
    Number,
    Record,
    Text,
    Word,
    option,
)

FAMILIES: dict[str, dict[str, Any]] = {
    "layer": dict(LAYERS),
    "init": dict(INITIALIZERS),
    "optimizer": dict(OPTIMIZERS),
    "schedule": dict(SCHEDULES),
    "loss": dict(LOSSES),
    "generator": dict(GENERATORS),
}


# what can be watched, by part and metric
METRIC = Word(
    tuple(
        f"{part}.{metric}"
        for part in ("validation", "train")
        for metric in (
            *("loss", "accuracy", "rmse", "mae", "r2"),
            *("perplexity", "bits_per_character"),
        )
    )
)


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the metric has not improved for ``patience`` epochs; keep the best weights."""

    metric: str = option(METRIC, "validation.loss")
    patience: int = option(Integer(1), 10)
    min_delta: float = option(Number(low=0), 0.0)


@dataclass(frozen=True)
class TrainingOptions:
    """How long and in which portions to train."""

    epochs: int = option(Integer(1), 10)
    batch_size: int = option(Integer(1), 32)
    shuffle: bool = option(Boolean(), True)
    clip_norm: float | None = option(Number(above=0), None, doc="largest norm of all gradients")
    clip_value: float | None = option(Number(above=0), None, doc="largest size of each gradient")
    accumulate: int = option(Integer(1), 1, doc="batches whose mean gradient makes one step")
    l2: float = option(Number(low=0), 0.0, doc="adds ½·l2·Σ‖W‖² over weights to the loss")
    checkpoint_steps: int | None = option(Integer(1), None)
    early_stopping: EarlyStopping | None = option(Record(EarlyStopping), None)


@dataclass(frozen=True)
class DiagnosisOptions:
    """Thresholds by name, and finding names or codes to leave out."""

    thresholds: tuple[tuple[str, float], ...] = option(Mapping(Number()), ())
    ignore: tuple[str, ...] = option(Items(Text(), least=0), ())


class Place(NamedTuple):
    """Where something stands in a spec file, from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Source:
    """Where a spec came from: its file, and the place of each path of its normal form."""

    file: str = "<spec>"
    folder: Path = Path()  # what data paths are relative to
    places: MappingABC[str, Place] = field(default_factory=dict)

    def place(self, path: str) -> Place:
        """The place of the path, or of the nearest thing around it that stands in the file."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path, Place(0, 0))


@dataclass(frozen=True)
class Spec:
    """A network, its data and how it is trained: one YAML file."""

    data: DataOptions = option(Record(DataOptions))
    network: tuple[LayerOptions, ...] = option(Layers())
    loss: Loss = option(Choice("loss"))
    name: str = option(Text(), "", doc="default: the file's stem")
    seed: int = option(Integer(0), 0, doc="of weights, order and dropout")
    dtype: str = option(Word(("float32", "float64")), "float32")
    optimizer: Optimizer = option(Choice("optimizer"), Adam())
    schedule: Schedule = option(Choice("schedule"), ConstantRate())
    training: TrainingOptions = option(Record(TrainingOptions), TrainingOptions())
    diagnosis: DiagnosisOptions = option(Record(DiagnosisOptions), DiagnosisOptions())
    source: Source = field(
        default_factory=Source,
        compare=False,
        repr=False,
        kw_only=True,
        metadata={"option": False},  # nothing that a file could say
    )
