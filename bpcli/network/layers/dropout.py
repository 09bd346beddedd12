"""Dropout: a random part of the units is silenced at each training step."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.layer import Array, Layer, Views
from bpcli.spec import layers as spec


class Dropout(Layer, spec.Dropout):
    """y = x m / (1 - p) while training, with m 0 for a share p of the values, else 1; y = x after.

    Dividing by the share that is kept leaves the mean of y at x (Srivastava et al. 2014). The
    gradient takes the same way: ∂L/∂x = ∂L/∂y m / (1 - p).

    The mask compares random integers of 8 bits, or of 16 where 8 cannot express the rate; p is
    the rate to the nearest 1/65536, in the mask and in the divisor alike.
    """

    stochastic = True

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        if not training or self.rate == 0:
            return inputs, None
        kept = self.buffer("kept", inputs.shape, np.bool_)
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        integers, count = (np.uint8, 256) if self.rate * 256 % 1 == 0 else (np.uint16, 65536)
        dropped = round(self.rate * count)
        bits = random.bytes(inputs.size * np.dtype(integers).itemsize)
        drawn = np.frombuffer(bits, integers).reshape(inputs.shape)
        np.greater_equal(drawn, integers(dropped), out=kept)
        scale = count / (count - dropped)
        np.multiply(inputs, kept, out=outputs)
        np.multiply(outputs, scale, out=outputs)
        return outputs, (kept, scale)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        if cache is None:
            return output_gradient
        kept, scale = cache
        input_gradient = self.buffer("input_gradient", kept.shape, output_gradient.dtype)
        np.multiply(output_gradient, kept, out=input_gradient)
        return np.multiply(input_gradient, scale, out=input_gradient)
