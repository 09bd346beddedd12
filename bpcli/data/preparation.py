"""How examples become what a network reads and is trained on: what a run keeps of its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpcli.data.inputs import Inputs
from bpcli.data.sources.source import Shape
from bpcli.data.targets import CHARACTERS, INDEX, ONE_HOT, Targets
from bpcli.data.windows import Windows
from bpcli.errors import CheckpointError


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
        return {
            "inputs": self.inputs.to_dict(),
            "targets": self.targets.to_dict(),
            "windows": self.windows and self.windows.to_dict(),
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Preparation:
        """What :meth:`to_dict` gave; raises CheckpointError on anything else."""
        try:
            return cls(
                Inputs.from_dict(kept["inputs"]),
                Targets.from_dict(kept["targets"]),
                kept["windows"] and Windows(**kept["windows"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"what the run keeps of its data is damaged ({error!r})"
            ) from None
