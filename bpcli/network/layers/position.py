"""Positions: what tells attention, which sees a set, where in the sequence a vector stands."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.network.layers.sequence import require_sequence
from bpcli.spec import layers as spec


class Position(Layer, spec.Position):
    """yₜ = xₜ + pₜ; x (time, features), p learned, or fixed sinusoids (Vaswani et al. 2017):

        p[t, 2k] = sin(t / 10000^(2k/features))        p[t, 2k+1] = cos(the same)

    ∂L/∂x = δ, and a learned p receives the sum of δ over the batch. Shorter sequences than those
    that the network was built for use the first of the learned positions.
    """

    def parameters(self, input_shape: Shape) -> Declared:
        return {"weight": (input_shape, self.init)} if self.kind == "learned" else {}

    def output_shape(self, input_shape: Shape) -> Shape:
        require_sequence(self, input_shape)
        return input_shape

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        time, features = inputs.shape[1:]
        if self.kind == "learned":
            places = parameters["weight"][:time]
        else:
            places = _sinusoids(time, features, inputs.real.dtype)
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        return np.add(inputs, places, out=outputs), time

    def backward(
        self, cache: int, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        if self.kind == "learned":
            gradient, time = gradients["weight"], cache
            np.add.reduce(output_gradient, axis=0, out=gradient[:time])
            gradient[time:] = 0
        return output_gradient


@lru_cache(maxsize=8)
def _sinusoids(time: int, features: int, dtype: Any) -> Array:
    even = np.arange(0, features, 2)
    angles = np.arange(time)[:, np.newaxis] / 10000 ** (even / features)
    places = np.empty((time, features), dtype)
    places[:, 0::2] = np.sin(angles)
    places[:, 1::2] = np.cos(angles)[:, : features // 2]
    return places
