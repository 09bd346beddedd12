"""Losses: one number that says how wrong a batch is, and its gradient by the network's outputs.

All are means over the batch (and over positions). Those of classes take logits, the values before
softmax or sigmoid: ln(softmax(z)) computed as one keeps what softmax alone would round to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.errors import ShapeError
from bpcli.network.buffers import Buffers
from bpcli.network.layer import Array
from bpcli.network.special import sigmoid, softplus
from bpcli.spec import optimization as spec


class Loss(Buffers):
    """Like a layer: `forward` gives (value, cache), `backward` the gradient by the outputs."""

    name: str

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        """The loss of a batch; raises ShapeError where targets do not have the outputs' shape."""
        raise NotImplementedError

    def backward(self, cache: Any) -> Array:
        """∂L/∂outputs."""
        raise NotImplementedError

    __setattr__ = object.__setattr__  # options are read-only in the spec, buffers are not

    def _require(self, expected: tuple[int, ...], targets: Array) -> None:
        """Nothing broadcasts: a silent (N, 1) against (N,) trains a wrong network."""
        if targets.shape != expected:
            raise ShapeError(
                f"{self.name} needs targets of shape {expected}, received {targets.shape}"
            )


class CrossEntropy(Loss, spec.CrossEntropy):
    """L = mean of -ln p[t], p = softmax(z); logits z (..., classes), class numbers t (...).

    ∂L/∂z = (p - onehot(t)) / N over N examples (Bridle 1990).
    """

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        self._require(outputs.shape[:-1], targets)
        z, t = outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)
        p = self.buffer("softmax", z.shape, z.dtype)
        rows = np.arange(len(z))
        np.subtract(z, np.maximum.reduce(z.real, axis=1, keepdims=True), out=p)
        chosen = p[rows, t]
        np.exp(p, out=p)
        sums = np.add.reduce(p, axis=1, keepdims=True)
        np.divide(p, sums, out=p)
        value = np.add.reduce(np.log(sums[:, 0]) - chosen) / len(z)
        return value, (p, rows, t, outputs.shape)

    def backward(self, cache: Any) -> Array:
        p, rows, t, shape = cache
        gradient = self.buffer("gradient", p.shape, p.dtype)
        np.copyto(gradient, p)
        gradient[rows, t] -= 1
        np.multiply(gradient, 1 / len(rows), out=gradient)
        return gradient.reshape(shape)


class ElementwiseLoss(Loss):
    """L = mean over all elements of ℓ(y, t); the subclass writes ℓ and ∂ℓ/∂y."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        """Writes ℓ(y, t)."""
        raise NotImplementedError

    def slope(self, y: Array, t: Array, out: Array) -> None:
        """Writes ∂ℓ/∂y."""
        raise NotImplementedError

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        self._require(outputs.shape, targets)
        values = self.buffer("values", outputs.shape, outputs.dtype)
        self.element(outputs, targets, values)
        return np.add.reduce(values, axis=None) / values.size, (outputs, targets)

    def backward(self, cache: Any) -> Array:
        outputs, targets = cache
        gradient = self.buffer("gradient", outputs.shape, outputs.dtype)
        self.slope(outputs, targets, gradient)
        return np.multiply(gradient, 1 / gradient.size, out=gradient)


class BinaryCrossEntropy(ElementwiseLoss, spec.BinaryCrossEntropy):
    """ℓ = -t ln p - (1 - t) ln(1 - p) = softplus(z) - t z with p = sigmoid(z); ∂ℓ/∂z = p - t."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        softplus(y, out)
        np.subtract(out, t * y, out=out)

    def slope(self, y: Array, t: Array, out: Array) -> None:
        sigmoid(y, out)
        np.subtract(out, t, out=out)


class MeanSquaredError(ElementwiseLoss, spec.MeanSquaredError):
    """ℓ = (y - t)², ∂ℓ/∂y = 2 (y - t)."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.multiply(out, out, out=out)

    def slope(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.multiply(out, 2, out=out)


class MeanAbsoluteError(ElementwiseLoss, spec.MeanAbsoluteError):
    """ℓ = |y - t|, ∂ℓ/∂y = sign(y - t), 0 where they are equal."""

    def element(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.multiply(out, np.sign(out.real), out=out)

    def slope(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        np.copyto(out, np.sign(out.real))


class Huber(ElementwiseLoss, spec.Huber):
    """ℓ = ½ d² where |d| <= δ, else δ (|d| - ½ δ), d = y - t; ∂ℓ/∂y = d clipped to ±δ.

    (Huber 1964; scaled as PyTorch's HuberLoss.)
    """

    def element(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        sign = np.sign(out.real)
        far = out.real * sign > self.delta
        linear = self.delta * (out * sign - 0.5 * self.delta)
        np.multiply(out, out, out=out)
        np.multiply(out, 0.5, out=out)
        np.copyto(out, linear, where=far)

    def slope(self, y: Array, t: Array, out: Array) -> None:
        np.subtract(y, t, out=out)
        sign = np.sign(out.real)
        np.copyto(out, self.delta * sign, where=out.real * sign > self.delta)


_LOSSES: dict[str, Any] = {
    loss.name: loss
    for loss in (CrossEntropy, BinaryCrossEntropy, MeanSquaredError, MeanAbsoluteError, Huber)
}


def make_loss(options: spec.Loss) -> Loss:
    """The loss with these options."""
    loss: Loss = _LOSSES[options.name](**vars(options))
    return loss
