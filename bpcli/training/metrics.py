"""How well a network does: loss, accuracy for classes, rmse, mae and r2 for numbers, and for text
perplexity e^loss and loss / ln 2, the bits that each character costs.

The loss is that of the data alone, without the l2 penalty, so that parts and runs with different
penalties compare. It and all others are means over examples (and positions), never over batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from bpcli.network import Network

Array = np.ndarray[Any, Any]
Figures = dict[str, float]
# of evaluation: batches of up to this many examples while their activations stay this small
_EXAMPLES, _ACTIVATIONS = 256, 1 << 22
_ROWS = 1024  # of numeric targets are added at a time
LARGER_IS_BETTER = ("accuracy", "r2")


class Examples(Protocol):
    """What evaluation needs of a part of the data."""

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> tuple[Array, Array]: ...


class Targets(Protocol):
    """What the metrics need to know of how targets were prepared."""

    @property
    def kind(self) -> str:
        """ "classes", "characters", "binary" (0/1 for each output) or "numbers"."""

    @property
    def logits(self) -> bool: ...

    def unscale(self, values: Array) -> Array: ...


class Accuracy:
    """The share of right answers: the largest output, or for 0/1 targets each output by itself.

    An output of two classes says 1 above ½, a logit above 0.
    """

    names = ("accuracy",)

    def __init__(self, targets: Targets) -> None:
        self.binary, self.threshold = targets.kind == "binary", 0.0 if targets.logits else 0.5
        self.right = self.total = 0

    def add(self, outputs: Array, targets: Array) -> None:
        if self.binary:
            right = (outputs > self.threshold) == (targets > 0.5)
        else:
            one_hot = targets.ndim == outputs.ndim
            right = outputs.argmax(-1) == (targets.argmax(-1) if one_hot else targets)
        self.right += int(np.count_nonzero(right))
        self.total += right.size

    def figures(self) -> Figures:
        return {"accuracy": self.right / self.total if self.total else math.nan}

    def state(self) -> dict[str, Any]:
        return {"right": self.right, "total": self.total}

    def restore(self, state: dict[str, Any], shape: tuple[int, ...]) -> None:
        self.right, self.total = state["right"], state["total"]


class Deviation:
    """rmse, mae and R² = 1 - Σ(y - t)² / Σ(t - mean t)², in the units of the data.

    rmse and mae are over all targets together, R² is the mean of each target's. The spread of the
    targets is merged batch by batch without cancellation (Chan, Golub & LeVeque 1983). Where
    targets are constant R² is undefined, nan.
    """

    names = ("rmse", "mae", "r2")

    def __init__(self, targets: Targets) -> None:
        self.unscale = targets.unscale
        self.count = 0
        # a row of each column's values: Σ(y - t)², Σ|y - t|, mean t, Σ(t - mean t)²
        self.sums = np.zeros((4, 0))
        # (outputs, targets) that are not in the sums yet: many small batches are added as one
        self.waiting: list[tuple[Array, Array]] = []
        self.rows_waiting = 0

    def add(self, outputs: Array, targets: Array) -> None:
        self.waiting.append((outputs.copy(), targets.copy()))
        self.rows_waiting += len(outputs)
        if self.rows_waiting >= _ROWS:
            self._merge()

    def _merge(self) -> None:
        outputs, targets = self._waiting()
        self.waiting, self.rows_waiting = [], 0
        y = self.unscale(outputs).reshape(len(outputs), -1)
        t = self.unscale(targets).reshape(len(targets), -1)
        if not self.count:
            self.sums = np.zeros((4, t.shape[1]))
        error, mean = y - t, t.mean(axis=0)
        squares, absolute, mean_before, spread = self.sums
        squares += np.square(error).sum(axis=0)
        absolute += np.abs(error).sum(axis=0)
        shift, self.count = mean - mean_before, self.count + len(t)
        spread += np.square(t - mean).sum(axis=0)
        spread += np.square(shift) * ((self.count - len(t)) * len(t) / self.count)
        mean_before += shift * (len(t) / self.count)

    def _waiting(self) -> tuple[Array, Array]:
        outputs, targets = zip(*self.waiting, strict=True)
        return np.concatenate(outputs), np.concatenate(targets)

    def figures(self) -> Figures:
        if self.waiting:
            self._merge()
        if not self.count:
            return dict.fromkeys(self.names, math.nan)
        squares, absolute, _, spread = self.sums
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(spread > 0, 1 - squares / spread, np.nan).mean()
        return {
            "rmse": math.sqrt(squares.mean() / self.count),
            "mae": float(absolute.mean() / self.count),
            "r2": float(r2),
        }

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"count": self.count, "sums": self.sums}
        if self.waiting:  # as it stands: adding it to the sums now would round otherwise
            state["outputs"], state["targets"] = self._waiting()
        return state

    def restore(self, state: dict[str, Any], shape: tuple[int, ...]) -> None:
        columns = math.prod(shape) if state["count"] else 0
        if state["sums"].shape != (4, columns) or state["sums"].dtype != np.float64:
            raise ValueError(f"its sums of errors are not of {columns} columns")
        self.count, self.sums = state["count"], state["sums"].copy()
        if "outputs" in state:
            outputs, targets = state["outputs"], state["targets"]
            if outputs.shape != targets.shape or outputs.shape[1:] != shape:
                raise ValueError(f"its outputs and targets are not of shape {shape}")
            self.waiting, self.rows_waiting = [(outputs, targets)], len(outputs)


class Meter:
    """The running means over batches: the loss and the metrics that suit the targets."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.reset()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._of_loss(math.nan)) + self.metric.names

    def reset(self) -> None:
        kind = Deviation if self.targets.kind == "numbers" else Accuracy
        self.metric: Accuracy | Deviation = kind(self.targets)
        self.loss, self.examples = 0.0, 0

    def add(self, outputs: Array, targets: Array, loss: float) -> None:
        """A batch: what the network gave, what it should have, and the mean loss."""
        count = len(outputs)
        self.loss += loss * count
        self.examples += count
        self.metric.add(outputs, targets)

    def figures(self) -> Figures:
        """{"loss": ..., ...}; nan where nothing was added or a figure is undefined."""
        loss = self.loss / self.examples if self.examples else math.nan
        return {**self._of_loss(loss), **self.metric.figures()}

    def _of_loss(self, loss: float) -> Figures:
        if self.targets.kind != "characters":
            return {"loss": loss}
        perplexity = float(np.exp(loss))
        return {"loss": loss, "perplexity": perplexity, "bits_per_character": loss / math.log(2)}

    def state(self) -> dict[str, Any]:
        return {"loss": self.loss, "examples": self.examples, "metric": self.metric.state()}

    def restore(self, state: dict[str, Any], shape: tuple[int, ...]) -> None:
        """Takes up what :meth:`state` gave, of a network whose outputs have this shape; raises
        KeyError or ValueError on another's."""
        self.loss, self.examples = state["loss"], state["examples"]
        self.metric.restore(state["metric"], shape)


def evaluate(
    network: Network,
    part: Examples,
    targets: Targets,
    batch_size: int,
    *,
    stop: Callable[[], None] = lambda: None,
) -> Figures:
    """The figures of a part in evaluation mode. ``stop`` is called between batches; it may raise.

    ``batch_size`` is that of training; larger batches are used where memory allows.
    """
    meter = Meter(targets)
    with np.errstate(all="ignore"):
        for inputs, wanted in _in_turn(part, evaluation_batch_size(network, batch_size)):
            outputs = network.forward(inputs)
            loss, _ = network.loss.forward(outputs, wanted)
            meter.add(outputs, wanted, float(loss))
            stop()
        return meter.figures()


def evaluation_batch_size(network: Network, batch_size: int) -> int:
    """A batch as large as is fast while its activations stay below some megabytes."""
    values = sum(math.prod(node.output_shape) for node in network.nodes)
    return max(batch_size, min(_EXAMPLES, _ACTIVATIONS // max(1, values)))


def _in_turn(part: Examples, size: int) -> Iterator[tuple[Array, Array]]:
    return (part.slice(start, start + size) for start in range(0, len(part), size))
