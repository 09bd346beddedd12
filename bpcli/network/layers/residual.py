"""The residual block: a path around layers, on which the gradient travels back undiminished."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.errors import ShapeError
from bpcli.network.chain import Chain
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.network.layers.dense import Dense
from bpcli.spec import layers as spec


class Residual(Layer, spec.Residual):
    """y = x + f(x), or y = x P + f(x) with `projection` (He et al. 2016).

    Two paths leave x, so two gradients come back to it and add up:

        ∂L/∂x = δ + (∂f/∂x)ᵀ δ

    However small the second term, the first arrives whole: that is why deep residual networks
    train. P (inputs, outputs) has no bias and is called `projection.weight`.
    """

    def build(self, input_shape: Shape) -> None:
        place = f"{self.place}.residual.layers"
        self.chain = Chain(self.layers, input_shape, path=self.path, place=place)
        self.skip: Dense | None = None
        if self.projection:
            if not self.chain.output_shape:
                raise ShapeError("a projection needs layers that give at least one axis")
            self.skip = Dense(units=self.chain.output_shape[-1], bias=False)

    def parameters(self, input_shape: Shape) -> Declared:
        declared = self.chain.parameters()
        if self.skip:
            declared["projection"] = self.skip.parameters(input_shape)
        return declared

    def state(self, input_shape: Shape) -> Declared:
        return self.chain.state()

    def output_shape(self, input_shape: Shape) -> Shape:
        skip = self.skip.output_shape(input_shape) if self.skip else input_shape
        inner = self.chain.output_shape
        if skip != inner:
            raise ShapeError(
                f"residual adds its input to what its layers give, so both must have one shape: "
                f"expected {skip}, received {inner}; {self._advice(skip)}"
            )
        return inner

    def _advice(self, skip: Shape) -> str:
        for node in self.chain.nodes:
            if len(node.output_shape) < len(skip):
                last = getattr(node.layer, "returns", "") == "last"
                return f"say `return: sequence` in {node.name}" if last else f"without {node.name}"
        other = "" if self.skip else " or `projection: true` for another last axis"
        return f"give the last layer that size{other}"

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        inner, caches = self.chain.forward(inputs, parameters, training=training, random=random)
        skip, skip_cache = inputs, None
        if self.skip:
            skip, skip_cache = self.skip.forward(
                inputs, parameters["projection"], training=training, random=random
            )
        outputs = self.buffer("outputs", inner.shape, inner.dtype)
        return np.add(skip, inner, out=outputs), (caches, skip_cache)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        caches, skip_cache = cache
        inner = self.chain.backward(caches, output_gradient, parameters, gradients)
        skip: Array | None = output_gradient
        if self.skip:
            skip = self.skip.backward(
                skip_cache, output_gradient, parameters["projection"], gradients["projection"]
            )
        assert inner is not None  # only a network's first layer gives none
        assert skip is not None
        input_gradient = self.buffer("input_gradient", inner.shape, inner.dtype)
        np.add(skip, inner, out=input_gradient)
        return input_gradient
