"""Mistakes in activations, dropout and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.layers import Dropout, Gelu, LeakyRelu, Relu, Sigmoid, Softmax, Softplus, Tanh
from bpcli.spec import layers as spec

from .mutation import Mutation


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class TanhAtOutput(Tanh):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, outputs

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient * (1 - np.tanh(cache) ** 2)


class SigmoidAtOutput(Sigmoid):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, outputs

    def backward(self, cache, output_gradient, parameters, gradients):
        s = sigmoid(cache)
        return output_gradient * s * (1 - s)


class ReluWithoutMask(Relu):
    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient.copy()


class ReluMaskInverted(Relu):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient * (cache < 0)


class TanhForgotten(Tanh):
    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient.copy()


class LeakForgotten(LeakyRelu):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient * (cache > 0)


class SoftplusBackwards(Softplus):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient * sigmoid(-cache)


class TanhNotSquared(Tanh):
    """1 - y instead of 1 - y²: no hypothesis covers it."""

    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, outputs

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient * (1 - cache)


class GeluConstant(Gelu):
    """A mistyped constant: no hypothesis covers it."""

    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        x = cache
        u = np.sqrt(2 / np.pi) * (x + 0.044175 * x**3)
        t = np.tanh(u)
        slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044175 * x**2)
        return output_gradient * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)


class SoftmaxElementwise(Softmax):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, outputs

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient * cache * (1 - cache)


class DropoutWithoutMask(Dropout):
    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient.copy()


class DropoutScaledWithoutMask(Dropout):
    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient / (1 - self.rate)


class DropoutRedrawn(Dropout):
    def backward(self, cache, output_gradient, parameters, gradients):
        kept = np.random.default_rng(5).random(output_gradient.shape) >= self.rate
        return output_gradient * kept / (1 - self.rate)


class DropoutScaleForgotten(Dropout):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        return given * (1 - self.rate)


class InPlace(Tanh):
    """Right numbers, at the price of the gradient that others still need."""

    def backward(self, cache, output_gradient, parameters, gradients):
        output_gradient *= super().backward(
            cache, np.ones_like(output_gradient), parameters, gradients
        )
        return output_gradient


class CacheSpoiled(Sigmoid):
    """Right once: the second backward pass reads what the first left."""

    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, outputs.copy()

    def backward(self, cache, output_gradient, parameters, gradients):
        cache *= 1 - cache
        return output_gradient * cache


def between(kind: Any, **options: Any) -> Any:
    return lambda: (spec.Dense(6), kind(**options), spec.Dense(5), spec.Tanh())


MUTATIONS = (
    Mutation(
        "tanh' at the output",
        between(TanhAtOutput),
        "tanh_1",
        "at the outputs instead of the inputs",
    ),
    Mutation(
        "sigmoid' at the output",
        between(SigmoidAtOutput),
        "sigmoid_1",
        "at the outputs instead of the inputs",
    ),
    Mutation("relu without its mask", between(ReluWithoutMask), "relu_1", "mask is not applied"),
    Mutation(
        "relu with its mask inverted", between(ReluMaskInverted), "relu_1", "mask is inverted"
    ),
    Mutation("tanh' forgotten", between(TanhForgotten), "tanh_1", "derivative is not applied"),
    Mutation(
        "the leak forgotten", between(LeakForgotten, slope=0.2), "leaky_relu_1", "zero (missing)"
    ),
    Mutation("softplus' of -x", between(SoftplusBackwards), "softplus_1", "minus the inputs"),
    Mutation("1 - y in tanh'", between(TanhNotSquared), "tanh_1", ""),
    Mutation("a mistyped constant", between(GeluConstant, approximate="tanh"), "gelu_1", ""),
    Mutation("softmax elementwise", between(SoftmaxElementwise), "softmax_1", "cross terms"),
    Mutation(
        "dropout without its mask",
        between(DropoutWithoutMask, rate=0.5),
        "dropout_1",
        "mask is not applied",
    ),
    Mutation(
        "dropout scaled, not masked",
        between(DropoutScaledWithoutMask, rate=0.5),
        "dropout_1",
        "mask is not applied",
    ),
    Mutation(
        "dropout with another mask", between(DropoutRedrawn, rate=0.5), "dropout_1", "another mask"
    ),
    Mutation(
        "dropout without its scale",
        between(DropoutScaleForgotten, rate=0.25),
        "dropout_1",
        "1 - rate",
    ),
    Mutation("in place", between(InPlace), "tanh_1", "changes the gradient that arrives"),
    Mutation("cache spoiled", between(CacheSpoiled), "sigmoid_1", "changes its cache"),
)
