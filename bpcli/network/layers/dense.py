"""The dense layer: every output unit is a weighted sum of all inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.errors import ShapeError
from bpcli.network import threads
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.spec import layers as spec


class Dense(Layer, spec.Dense):
    """z = x W + b over the last axis; x (..., inputs), W (inputs, units), b (units,).

    With δ = ∂L/∂z, the chain rule gives (Rumelhart, Hinton & Williams 1986)

        ∂L/∂W = xᵀ δ        ∂L/∂b = Σ δ over the batch        ∂L/∂x = δ Wᵀ
    """

    def parameters(self, input_shape: Shape) -> Declared:
        declared: Declared = {"weight": ((input_shape[-1], self.units), self.init)}
        if self.bias:
            declared["bias"] = ((self.units,), "zeros" if self.bias is True else self.bias)
        return declared

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ShapeError("dense needs at least one axis, received a single number per example")
        return (*input_shape[:-1], self.units)

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        outputs = self.buffer("outputs", (*inputs.shape[:-1], self.units), inputs.dtype)
        threads.matmul(_rows(inputs), parameters["weight"], out=_rows(outputs))
        if self.bias:
            np.add(outputs, parameters["bias"], out=outputs)
        return outputs, inputs

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        inputs, delta = cache, _rows(output_gradient)
        threads.matmul(_rows(inputs).T, delta, out=gradients["weight"])
        if self.bias:
            np.add.reduce(delta, axis=0, out=gradients["bias"])
        if not self.needs_input_gradient:
            return None
        input_gradient = self.buffer("input_gradient", inputs.shape, inputs.dtype)
        threads.matmul(delta, parameters["weight"].T, out=_rows(input_gradient))
        return input_gradient


def _rows(array: Array) -> Array:
    """All axes but the last as one: a matrix product of two axes is several times faster."""
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1])
