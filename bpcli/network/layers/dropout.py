"""Dropout: a random part of the units is silenced at each training step."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.layer import Array, Layer, Shape, Views
from bpcli.spec import layers as spec


class Dropout(Layer, spec.Dropout):
    """y = x m while training, m being 0 for a share p of the values, else 1 / (1 - p); then y = x.

    Dividing by the share that is kept leaves the mean of y at x (Srivastava et al. 2014). The
    gradient takes the same way back: ∂L/∂x = ∂L/∂y m.

    The mask compares random integers of 8 bits, or of 16 where 8 cannot express the rate; p is
    the rate to the nearest 1/65536, in the comparison and in the divisor alike.
    """

    stochastic = True

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        if not training or self.rate == 0:
            return inputs, None
        mask = self._mask(inputs.shape, inputs.dtype, random)
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        np.multiply(inputs, mask, out=outputs)
        return outputs, mask

    def backward(
        self, cache: Array | None, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        if cache is None:
            return output_gradient
        input_gradient = self.buffer("input_gradient", cache.shape, output_gradient.dtype)
        np.multiply(output_gradient, cache, out=input_gradient)
        return input_gradient

    def _mask(self, shape: Shape, dtype: Any, random: Any) -> Array:
        integers: Any = np.uint8 if self.rate * 256 % 1 == 0 else np.uint16
        count = np.iinfo(integers).max + 1
        dropped = min(round(self.rate * count), count - 1)
        mask = self.buffer("mask", shape, dtype)
        np.greater_equal(_draw(shape, integers, random), integers(dropped), out=mask)
        np.multiply(mask, count / (count - dropped), out=mask)
        return mask


def _draw(shape: Shape, integers: Any, random: Any) -> Array:
    """Uniform small integers, cut out of words of 64 bits: much faster than floats."""
    size = int(np.prod(shape))
    words = -(-size * np.dtype(integers).itemsize // 8)
    drawn: Array = random.integers(0, 2**64 - 1, words, np.uint64, endpoint=True)
    values: Array = drawn.view(integers)[:size]
    return values.reshape(shape)
