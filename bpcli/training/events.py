"""What a run tells those who listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bpcli.network import Network
from bpcli.training.metrics import Array, Figures

if TYPE_CHECKING:
    from bpcli.training.trainer import Trainer


class StepEvent(NamedTuple):
    """An update of the parameters."""

    step: int  # from 1
    epoch: int  # from 1
    loss: float  # what was minimized: the mean over the step's examples, with the l2 penalty
    learning_rate: float
    gradient_norm: float  # of all trainable parameters, before clipping
    examples: int
    layers: list[dict[str, Any]] | None  # on the steps that the recorder wanted
    extremes: dict[str, list[float]] | None = None  # of the steps since the last recorded one


class EpochEvent(NamedTuple):
    """The end of an epoch."""

    epoch: int  # from 1
    step: int  # updates so far
    learning_rate: float  # of the last step
    train: Figures  # running means over the epoch's batches, in training mode
    validation: Figures | None  # after the epoch, in evaluation mode
    best: bool  # whether these are the best weights so far


@dataclass(frozen=True)
class NonFinite:
    """Where the first value that is not finite arose."""

    step: int  # from 1
    epoch: int
    # "activation", "loss", "gradient", "parameter", "state", "optimizer" or "validation"
    quantity: str
    layer: str | None  # a layer's path, or the loss's name; None where no layer has it
    parameter: str | None = None  # the name of the parameter it arose in, if it did in one

    @property
    def message(self) -> str:
        place = f" at {self.parameter or self.layer}" if self.parameter or self.layer else ""
        what = {"state": "running mean", "optimizer": "optimizer moment"}
        return (
            f"step {self.step} (epoch {self.epoch}): the first value that is not finite is in the "
            f"{what.get(self.quantity, self.quantity)}{place}"
        )


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    reason: str  # "finished", "early_stopping", "interrupted" or "non_finite"
    epochs: int  # whole ones
    steps: int
    # {"train": {"loss": ...}, ...} in evaluation mode, of the best weights where there are any,
    # else of the last; empty where the run was interrupted or not finite
    figures: dict[str, Figures] = field(default_factory=dict)
    best: dict[str, Any] | None = None  # {"epoch", "step", "metric", "value"}
    non_finite: NonFinite | None = None
    signal: int | None = None  # the one that interrupted


class Listener:
    """Is told of a run as it goes; all methods do nothing until they are overridden.

    Steps are only told to listeners that override :meth:`stepped`: nobody listening costs nothing.
    """

    def started(self, trainer: Trainer) -> None:
        """Before the first step."""

    def stepped(self, step: StepEvent) -> None:
        """After each update."""

    def epoch_ended(self, epoch: EpochEvent) -> None:
        """After each epoch."""

    def finished(self, outcome: Outcome) -> None:
        """After everything was saved."""


class Recorder(Protocol):
    """Looks on at the steps it wants, and gives a line of `gradients.jsonl` for each."""

    def wants(self, step: int) -> bool: ...

    def passed(self, loss: float, gradient_norm: float) -> None:
        """After a step that it did not want."""

    def begin(self, network: Network, step: int) -> None:
        """Before the step's forward pass."""

    def gradients_ready(self, norms: Mapping[str, float]) -> None:
        """After the backward pass, before clipping; ``norms`` are those of layers' gradients that
        are known already."""

    def updated(self, start: int, parameters: Array, change: Array) -> None:
        """After a part of the parameters was updated: where it starts, what was taken off it."""

    def updated_finite(self) -> bool:
        """Whether all parameters that it was shown are known to be finite."""

    def end(self, step: int, epoch: int, loss: float) -> dict[str, Any]:
        """After the update."""

    def state(self) -> dict[str, Any]:
        """What later lines depend on, as arrays and plain values."""

    def restore(self, network: Network, state: Mapping[str, Any]) -> None:
        """Goes on from where :meth:`state` was taken."""
