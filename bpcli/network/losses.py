"""Losses: one number that says how wrong a batch is, and its gradient by the network's outputs.

All are means over the batch (and over positions). Those of classes take logits, the values before
softmax or sigmoid: ln(softmax(z)) computed as one keeps what softmax alone would round to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.errors import DataError, ShapeError
from bpcli.network.buffers import Buffers
from bpcli.network.layer import Array
from bpcli.network.special import (
    exp_minus,
    positive_part,
    row_maximum,
    row_starts,
    softplus_tail,
)
from bpcli.network.sums import row_sums
from bpcli.spec import optimization as spec


class Loss(Buffers):
    """Like a layer: `forward` gives (value, cache), `backward` the gradient by the outputs."""

    name: str

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        """The loss of a batch; raises ShapeError where the targets' shape is not the outputs'."""
        raise NotImplementedError

    def backward(self, cache: Any) -> Array:
        """∂L/∂outputs."""
        raise NotImplementedError

    __setattr__ = object.__setattr__  # options are read-only in the spec, buffers are not


class CrossEntropy(Loss, spec.CrossEntropy):
    """L = mean of -ln p[t], p = softmax(z); logits z (..., classes), class numbers t (...).

    ∂L/∂z = (p - onehot(t)) / N over N examples (Bridle 1990). At t, p - 1 is summed as what the
    other classes hold, for where p is almost 1 the subtraction would leave nothing of it.
    """

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        self._check(outputs, targets)
        classes = outputs.shape[-1]
        z = outputs.reshape(-1, classes)
        at_target = row_starts(*z.shape) + targets.reshape(-1)  # in the flat array
        difference = self.buffer("difference", z.shape, z.dtype)  # p - onehot(t), in the end
        flat = difference.reshape(-1)

        np.subtract(z, row_maximum(z), out=difference)
        chosen = flat[at_target]
        np.exp(difference, out=difference)
        own = flat[at_target]
        flat[at_target] = 0
        others = row_sums(difference)
        total = own + others
        np.divide(difference, total[:, np.newaxis], out=difference)
        flat[at_target] = -others / total
        # ln(own + others), exact where own is 1 and the others are next to nothing
        return _mean(np.log1p(others + (own - 1)) - chosen), (difference, outputs.shape)

    def backward(self, cache: Any) -> Array:
        difference, shape = cache
        gradient = self.buffer("gradient", shape, difference.dtype)
        np.multiply(difference, 1 / len(difference), out=gradient.reshape(difference.shape))
        return gradient

    def _check(self, outputs: Array, targets: Array) -> None:
        if targets.shape != outputs.shape[:-1]:
            raise ShapeError(
                f"cross_entropy takes one class number for each row of outputs: outputs of shape "
                f"{outputs.shape} need targets of shape {outputs.shape[:-1]}, "
                f"received {targets.shape}"
            )
        if targets.dtype.kind not in "iu":
            raise DataError(
                f"cross_entropy takes class numbers, integers from 0; received {targets.dtype}"
            )
        # as a number without sign a negative one is huge, so one look at the largest is enough
        if targets.size and targets.astype(np.uintp).max() >= outputs.shape[-1]:
            raise DataError(
                f"cross_entropy over {outputs.shape[-1]} outputs takes class numbers from 0 to "
                f"{outputs.shape[-1] - 1}, received {targets.min()} to {targets.max()}"
            )


class ElementwiseLoss(Loss):
    """L = mean over all elements of ℓ(y, t); the subclass writes ℓ and ∂ℓ/∂y."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        """Writes ℓ(y, t)."""
        raise NotImplementedError

    def derivative(self, y: Array, t: Array, out: Array) -> None:
        """Writes ∂ℓ/∂y."""
        raise NotImplementedError

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        if targets.shape != outputs.shape:  # (N, 1) against (N,) would broadcast to N x N
            raise ShapeError(
                f"{self.name} compares element by element: outputs of shape {outputs.shape} need "
                f"targets of that shape, received {targets.shape}"
            )
        targets = targets.astype(outputs.real.dtype, copy=False)
        values = self._scratch("values", outputs)
        self.element(outputs, targets, values)
        return _mean(values), (outputs, targets)

    def backward(self, cache: Any) -> Array:
        outputs, targets = cache
        gradient = self._scratch("gradient", outputs)
        self.derivative(outputs, targets, gradient)
        np.multiply(gradient, 1 / gradient.size, out=gradient)
        return gradient

    def _scratch(self, name: str, like: Array) -> Array:
        return self.buffer(name, like.shape, like.dtype)


class BinaryCrossEntropy(ElementwiseLoss, spec.BinaryCrossEntropy):
    """ℓ = -t ln p - (1 - t) ln(1 - p) = ln(1 + eᶻ) - t z with p = sigmoid(z); ∂ℓ/∂z = p - t.

    Written so that neither loses what is left of it once the answer is almost right:
    ℓ = max(z, 0) - t z + ln(1 + exp(-|z|)), and p - t = p (1 - t - t e⁻ᶻ).
    """

    def element(self, y: Array, t: Array, out: Array) -> None:
        scratch = self._scratch("scratch", y)
        np.multiply(t, y, out=scratch)
        np.subtract(positive_part(y, out), scratch, out=out)
        np.add(out, softplus_tail(y, scratch), out=out)

    def derivative(self, y: Array, t: Array, out: Array) -> None:
        e = exp_minus(y, self._scratch("scratch", y))
        np.add(e, 1, out=out)
        np.reciprocal(out, out=out)
        np.multiply(e, t, out=e)
        np.subtract(1 - t, e, out=e)
        np.multiply(out, e, out=out)


class MeanSquaredError(ElementwiseLoss, spec.MeanSquaredError):
    """ℓ = (y - t)², ∂ℓ/∂y = 2 (y - t) (Legendre 1805)."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.multiply(out, out, out=out)

    def derivative(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.multiply(out, 2, out=out)


class MeanAbsoluteError(ElementwiseLoss, spec.MeanAbsoluteError):
    """ℓ = |y - t|, ∂ℓ/∂y = sign(y - t), 0 where they are equal."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.multiply(out, np.sign(out.real), out=out)

    def derivative(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.copyto(out, np.sign(out.real))


class Huber(ElementwiseLoss, spec.Huber):
    """ℓ = c (d - ½ c) with d = y - t and c = d clipped to ±δ; ∂ℓ/∂y = c (Huber 1964).

    That is ½ d² near 0 and δ (|d| - ½ δ) beyond δ, scaled as PyTorch's HuberLoss.
    """

    def element(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        clipped = self._clip(out, self._scratch("clipped", y))
        half = np.multiply(clipped, 0.5, out=self._scratch("half", y))
        np.subtract(out, half, out=out)
        np.multiply(out, clipped, out=out)

    def derivative(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        self._clip(out, out)

    def _clip(self, difference: Array, out: Array) -> Array:
        """Complex numbers are compared by their real part first: that is what we need."""
        np.minimum(difference, self.delta, out=out)
        np.maximum(out, -self.delta, out=out)
        return out


def _mean(values: Array) -> Any:
    """The mean, added up in double precision."""
    return np.add.reduce(values, axis=None, dtype=_WIDE[values.dtype.char]) / values.size


_WIDE: dict[str, Any] = {"f": np.float64, "d": np.float64, "F": np.complex128, "D": np.complex128}


_LOSSES: dict[str, Any] = {
    loss.name: loss
    for loss in (CrossEntropy, BinaryCrossEntropy, MeanSquaredError, MeanAbsoluteError, Huber)
}


def make_loss(options: spec.Loss) -> Loss:
    """The loss with these options."""
    loss: Loss = _LOSSES[options.name](**vars(options))
    return loss
