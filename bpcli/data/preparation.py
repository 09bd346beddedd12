"""How examples become what a network reads and is trained on: what a run keeps of its data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bpcli.data.inputs import Inputs
from bpcli.data.kept import plain, restored
from bpcli.data.sources.source import Shape
from bpcli.data.targets import CHARACTERS, ENCODINGS, FLAGS, INDEX, NUMBERS, ONE_HOT, Targets
from bpcli.data.windows import Windows
from bpcli.errors import CheckpointError

_DTYPES = ("float32", "float64", "int64")


@dataclass(frozen=True)
class Description:
    """What a network must fit; None: only the data can tell, or there is no such thing."""

    input_shape: Shape | None  # of one example
    output_shape: Shape | None  # that the targets ask for, (positions, classes) for sequences
    classes: tuple[str, ...] | None
    examples: int | None  # before any are held back
    vocabulary: int | None = None  # how many codes the inputs have, 0 if they are numbers


@dataclass(frozen=True)
class Preparation:
    """Everything that was fitted on the training part, and all that other data need."""

    inputs: Inputs
    targets: Targets
    windows: Windows | None = None  # of a text or a series

    @property
    def characters(self) -> tuple[str, ...] | None:
        """The characters of a text by their codes."""
        return self.targets.classes if self.targets.encoding == CHARACTERS else None

    def description(self, examples: int | None = None) -> Description:
        """What a network on these data must fit."""
        targets = self.targets
        classes = targets.classes if targets.encoding in (INDEX, ONE_HOT, CHARACTERS) else None
        return Description(
            self.inputs.shape, targets.shape, classes, examples, self.inputs.codes or 0
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        kept: dict[str, Any] = plain(self)
        return kept

    @classmethod
    def from_dict(cls, kept: Any) -> Preparation:
        """What :meth:`to_dict` gave; raises CheckpointError on anything else."""
        try:
            preparation: Preparation = restored(cls, kept)
            _check(preparation.inputs, preparation.windows)
            _check_targets(preparation.targets)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"what the run keeps of its data is damaged ({error})") from None
        return preparation


def _check(inputs: Inputs, windows: Windows | None) -> None:
    """Raises ValueError where what is kept of the inputs contradicts itself."""
    sizes = *inputs.source_shape, *inputs.shape, *(vars(windows).values() if windows else ())
    _hold("sizes", min(sizes, default=1) > 0)
    _hold("dtype", inputs.dtype in _DTYPES)
    columns = math.prod(inputs.source_shape)
    if inputs.features is not None:
        _hold("features", sum(feature.width for feature in inputs.features) == columns)
    scaled = columns if inputs.codes is None else 0
    _hold("scaling", inputs.scaling.offset.size == inputs.scaling.factor.size == scaled)
    _hold("fill", inputs.fill is None or inputs.fill.size == columns)
    rows = windows.length if windows is not None and inputs.codes is None else 1
    _hold("shape", math.prod(inputs.shape) == rows * columns)


def _check_targets(targets: Targets) -> None:
    """Raises ValueError where what is kept of the targets contradicts itself."""
    _hold("encoding", targets.encoding in ENCODINGS)
    _hold("dtype", targets.dtype in _DTYPES)
    _hold("sizes", min(targets.shape, default=1) > 0)
    _hold("classes", bool(targets.classes) == (targets.encoding not in (FLAGS, NUMBERS)))
    scaling = targets.scaling
    _hold("scaling", (scaling is not None) == (targets.encoding == NUMBERS))
    _hold("scaling", scaling is None or scaling.offset.size == scaling.factor.size)


def _hold(what: str, consistent: bool) -> None:
    if not consistent:
        raise ValueError(f"its {what} cannot be")
