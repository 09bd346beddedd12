"""Losses: one number that says how wrong a batch is, and its gradient by the network's outputs.

All are means over the batch (and over positions); those of classes take logits, because
ln(softmax(z)) computed as one is exact where softmax alone would round to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.layer import Array
from bpcli.spec import optimization as spec


class Loss:
    """A protocol like a layer's: `forward` gives (value, cache), `backward` the gradient."""

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        raise NotImplementedError

    def backward(self, cache: Any) -> Array:
        raise NotImplementedError


class CrossEntropy(Loss, spec.CrossEntropy):
    """L = mean of -ln p[t] with p = softmax(z); z (..., classes), t (...) class numbers.

    ∂L/∂z = (p - onehot(t)) / N over N examples (Bridle 1990).
    """

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        z = outputs.reshape(-1, outputs.shape[-1])
        shifted = z - z.real.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1)
        rows, t = np.arange(len(z)), targets.reshape(-1)
        value = (np.log(sums) - shifted[rows, t]).mean()
        return value, (exponentials, sums, rows, t, outputs.shape)

    def backward(self, cache: Any) -> Array:
        exponentials, sums, rows, t, shape = cache
        gradient = exponentials / sums[:, np.newaxis]
        gradient[rows, t] -= 1
        gradient /= len(rows)
        return gradient.reshape(shape)


class MeanSquaredError(Loss, spec.MeanSquaredError):
    """L = mean of (y - t)² over all elements; ∂L/∂y = 2 (y - t) / elements."""

    def forward(self, outputs: Array, targets: Array) -> tuple[Any, Any]:
        difference = outputs - targets
        return (difference * difference).mean(), difference

    def backward(self, cache: Array) -> Array:
        return cache * (2 / cache.size)


_LOSSES = {loss.name: loss for loss in (CrossEntropy, MeanSquaredError)}


def make_loss(options: spec.Loss) -> Loss:
    """The loss with these options."""
    return _LOSSES[options.name](**vars(options))
