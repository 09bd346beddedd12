"""The options of `data:`: exactly one source, and what is done to what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpcli.spec.options import (
    Boolean,
    Choice,
    Either,
    Integer,
    Items,
    Number,
    Record,
    Text,
    Word,
    option,
)

SHARE = Number(low=0, below=1)
SCALE = Either((Word(("none", "standard", "minmax")), Number()))


class Generator:
    """Base of all generated data sets."""

    name = ""


@dataclass(frozen=True)
class Xor(Generator):
    """The four rows of exclusive or."""

    name = "xor"


@dataclass(frozen=True)
class Circles(Generator):
    """Concentric circles, one a class."""

    name = "circles"
    samples: int = option(Integer(2), 500)
    noise: float = option(Number(low=0), 0.05)
    classes: int = option(Integer(2), 2)


@dataclass(frozen=True)
class Moons(Generator):
    """Two half circles that reach into each other."""

    name = "moons"
    samples: int = option(Integer(2), 500)
    noise: float = option(Number(low=0), 0.1)
    classes: int = option(Integer(2), 2)


@dataclass(frozen=True)
class Blobs(Generator):
    """Round clouds of points, one a class."""

    name = "blobs"
    samples: int = option(Integer(2), 500)
    noise: float = option(Number(low=0), 0.5)
    classes: int = option(Integer(2), 3)


@dataclass(frozen=True)
class Spirals(Generator):
    """Spiral arms around the origin, one a class."""

    name = "spirals"
    samples: int = option(Integer(2), 500)
    noise: float = option(Number(low=0), 0.2)
    classes: int = option(Integer(2), 3)


@dataclass(frozen=True)
class Gaussian(Generator):
    """Standard normal features and classes that do not depend on them."""

    name = "gaussian"
    samples: int = option(Integer(1), 500)
    features: int = option(Integer(1), 10)
    classes: int = option(Integer(2), 2)


@dataclass(frozen=True)
class Adding(Generator):
    """Sequences of numbers, two of them marked; the target is the sum of these two."""

    name = "adding"
    samples: int = option(Integer(1), 1000)
    length: int = option(Integer(2), 100, doc="of each sequence")


GENERATORS: dict[str, type[Generator]] = {
    generator.name: generator
    for generator in (Xor, Circles, Moons, Blobs, Spirals, Gaussian, Adding)
}


@dataclass(frozen=True)
class SourceOptions:
    """Where arrays come from: `path`, `inputs` + `targets`, `images` + `labels` or `generate`."""

    path: str | None = option(Text(), None, doc="a table (.csv, .tsv), a text (.txt) or .npz")
    inputs: str | None = option(Text(), None, doc="a .npy file, or an array's name in the .npz")
    targets: str | None = option(Text(), None, doc="a .npy file, or an array's name in the .npz")
    images: str | None = option(Text(), None, doc="an IDX file")
    labels: str | None = option(Text(), None, doc="an IDX file")
    generate: Generator | None = option(Choice("generator"), None)
    target: Any = option(
        Either((Text(), Integer(0), Items(Either((Text(), Integer(0)))))),
        None,
        doc="column name(s) or, where there is no header, number(s) from 0; default: the last",
    )
    features: tuple[Any, ...] | None = option(
        Items(Either((Text(), Integer(0)))), None, doc="columns to use; default: all others"
    )
    header: bool | None = option(
        Boolean(), None, doc="whether the first line holds names; default: if it is not all numbers"
    )
    shape: tuple[int, ...] | None = option(Items(Integer(1)), None, doc="of one example")


@dataclass(frozen=True)
class Split:
    """Shares of the data that are held back."""

    validation: float = option(SHARE, 0.0)
    test: float = option(SHARE, 0.0)


@dataclass(frozen=True)
class DataOptions(SourceOptions):
    """The training source, the parts that are held back, and scaling."""

    split: Split = option(Record(Split), Split())
    validation: SourceOptions | None = option(Record(SourceOptions), None)
    test: SourceOptions | None = option(Record(SourceOptions), None)
    scale: str | float = option(SCALE, "none", doc="of inputs, by the training part")
    target_scale: str | float = option(SCALE, "none", doc="of numeric targets")
    missing: str | None = option(Word(("drop", "mean")), None, doc="allows empty cells")
    sequence_length: int | None = option(
        Integer(1), None, doc="of a text: characters read, each predicting the next one"
    )
    window: int | None = option(Integer(1), None, doc="of a series: rows that a forecast reads")
    horizon: int | None = option(
        Integer(1), None, doc="of a series: rows that are forecast, 1 unless given"
    )
    seed: int = option(Integer(0), 0, doc="of generators and splits")
