"""Flatten: the same numbers in another shape, there and back."""

from __future__ import annotations

import math
from typing import Any

from bpcli.network.layer import Array, Layer, Shape, Views
from bpcli.spec import layers as spec


class Flatten(Layer, spec.Flatten):
    """All axes of an example in one, rows first; the gradient takes the input's shape again."""

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        return inputs.reshape(len(inputs), -1), inputs.shape

    def backward(
        self, cache: Shape, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        return output_gradient.reshape(cache)
