"""Activations: the same function of every element, and its derivative.

An activation y = φ(x) acts on each element alone, so the chain rule is one product:

    ∂L/∂x = ∂L/∂y · φ'(x)

Where φ' is small on most inputs, gradients vanish on their way back; where it exceeds 1, they can
explode. Each class states φ and φ' side by side. Both keep their accuracy however small they are:
a gradient of 1e-17 is a finding, one that was rounded to 0 on the way is a mistake of ours.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bpcli.errors import ShapeError
from bpcli.network import threads
from bpcli.network.layer import Array, Layer, Shape, Views
from bpcli.network.special import (
    exp_minus,
    negative_part,
    normal_distribution,
    positive_part,
    row_maximum,
    sigmoid,
    softplus_tail,
)
from bpcli.spec import layers as spec

_CHEAP = 4  # so many values cost ReLU what one costs others


class Activation(Layer):
    """y = φ(x), element by element; the subclass writes φ and φ' into arrays it is given."""

    def function(self, x: Array, y: Array) -> Any:
        """Writes φ(x) into y; returns what :meth:`derivative` will want to know of x and y."""
        raise NotImplementedError

    def derivative(self, cache: Any, d: Array) -> None:
        """Writes φ'(x) into d."""
        raise NotImplementedError

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        return outputs, self.function(inputs, outputs)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        delta = output_gradient
        input_gradient = self.buffer("input_gradient", delta.shape, delta.dtype)
        self.derivative(cache, input_gradient)
        np.multiply(input_gradient, delta, out=input_gradient)
        return input_gradient

    def _scratch(self, name: str, like: Array) -> Array:
        return self.buffer(name, like.shape, like.dtype)


class Identity(Layer, spec.Identity):
    """φ(x) = x, φ'(x) = 1: everything passes, both ways."""

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        return inputs, None

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        return output_gradient


class Relu(Activation, spec.Relu):
    """φ(x) = max(x, 0), φ'(x) = 1 where x > 0, else 0, at 0 too (Nair & Hinton 2010)."""

    def function(self, x: Array, y: Array) -> Array:
        threads.share(lambda part: positive_part(x[part], y[part]), len(x), x.size // _CHEAP)
        return y

    def derivative(self, cache: Array, d: Array) -> None:
        np.greater(cache.real, 0, out=d)

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        delta = output_gradient
        input_gradient = self.buffer("input_gradient", delta.shape, delta.dtype)

        def work(part: slice) -> None:
            self.derivative(cache[part], input_gradient[part])
            np.multiply(input_gradient[part], delta[part], out=input_gradient[part])

        threads.share(work, len(delta), delta.size // _CHEAP)
        return input_gradient


class LeakyRelu(Activation, spec.LeakyRelu):
    """φ(x) = x where x > 0, else a x; φ'(x) = 1 or a, a the option ``slope`` (Maas et al. 2013)."""

    def function(self, x: Array, y: Array) -> Array:
        leak = negative_part(x, self._scratch("leak", x))
        np.multiply(leak, self.slope, out=leak)
        np.add(positive_part(x, y), leak, out=y)
        return x

    def derivative(self, cache: Array, d: Array) -> None:
        np.greater(cache.real, 0, out=d)
        np.multiply(d, 1 - self.slope, out=d)
        np.add(d, self.slope, out=d)


class ExponentialLinear(Activation):
    """φ(x) = λ x where x > 0, else λ α (eˣ - 1); φ'(x) = λ, or λ α eˣ."""

    scale = alpha = 1.0  # λ and α

    def function(self, x: Array, y: Array) -> Array:
        negative = negative_part(x, self._scratch("negative", x))
        np.expm1(negative, out=negative)
        np.multiply(negative, self.alpha, out=negative)
        np.add(positive_part(x, y), negative, out=y)
        if self.scale != 1:
            np.multiply(y, self.scale, out=y)
        return x

    def derivative(self, cache: Array, d: Array) -> None:
        np.exp(negative_part(cache, d), out=d)
        np.multiply(d, self.scale * self.alpha, out=d)
        if self.alpha != 1:
            positive = np.greater(cache.real, 0, out=self._scratch("positive", d))
            np.multiply(positive, self.scale * (1 - self.alpha), out=positive)
            np.add(d, positive, out=d)


class Elu(ExponentialLinear, spec.Elu):
    """φ(x) = x where x > 0, else α (eˣ - 1) (Clevert et al. 2015)."""


class Selu(ExponentialLinear, spec.Selu):
    """An ELU whose λ and α make mean 0 and variance 1 a fixed point (Klambauer et al. 2017)."""

    scale = 1.0507009873554804934193349852946
    alpha = 1.6732632423543772848170429916717


class Tanh(Activation, spec.Tanh):
    """φ(x) = tanh x, φ'(x) = 1 - y², at most 1 and 1 only at 0."""

    def function(self, x: Array, y: Array) -> Array:
        np.tanh(x, out=y)
        return y

    def derivative(self, cache: Array, d: Array) -> None:
        np.multiply(cache, cache, out=d)
        np.subtract(1, d, out=d)


class Sigmoid(Activation, spec.Sigmoid):
    """φ(x) = 1 / (1 + e⁻ˣ), φ'(x) = y (1 - y), which is at most ¼ (Rumelhart et al. 1986)."""

    def function(self, x: Array, y: Array) -> tuple[Array, Array]:
        e = exp_minus(x, self._scratch("exponential", x))
        np.add(e, 1, out=y)
        np.reciprocal(y, out=y)
        return e, y

    def derivative(self, cache: tuple[Array, Array], d: Array) -> None:
        e, y = cache
        np.multiply(e, y, out=d)  # 1 - y, which the subtraction would round to 0
        np.multiply(d, y, out=d)


class Softplus(Activation, spec.Softplus):
    """φ(x) = ln(1 + eˣ), φ'(x) = sigmoid(x) = 1 - e⁻ʸ (Dugas et al. 2001)."""

    def function(self, x: Array, y: Array) -> Array:
        tail = softplus_tail(x, self._scratch("tail", x))
        np.add(positive_part(x, y), tail, out=y)
        return y

    def derivative(self, cache: Array, d: Array) -> None:
        np.negative(cache, out=d)
        np.expm1(d, out=d)
        np.negative(d, out=d)


class Exponential(Activation, spec.Exponential):
    """φ(x) = eˣ, φ'(x) = y."""

    def function(self, x: Array, y: Array) -> Array:
        np.exp(x, out=y)
        return y

    def derivative(self, cache: Array, d: Array) -> None:
        np.copyto(d, cache)


class Silu(Activation, spec.Silu):
    """φ(x) = x σ(x), φ'(x) = σ (1 + x (1 - σ)), σ the sigmoid (Elfwing et al. 2017)."""

    def function(self, x: Array, y: Array) -> tuple[Array, Array]:
        s = sigmoid(x, self._scratch("sigmoid", x))
        np.multiply(x, s, out=y)
        return x, s

    def derivative(self, cache: tuple[Array, Array], d: Array) -> None:
        x, s = cache
        np.subtract(1, s, out=d)
        np.multiply(d, x, out=d)
        np.add(d, 1, out=d)
        np.multiply(d, s, out=d)


class Gelu(Activation, spec.Gelu):
    """y = x Φ(x), y' = Φ(x) + x φ(x), Φ and φ the normal distribution and its density.

    With ``approximate: tanh``, Φ(x) is ½ (1 + tanh u) = σ(2u), u = √(2/π) (x + 0.044715 x³), so
    that y' = Φ + 2 y (1 - Φ) u' (Hendrycks & Gimpel 2016).
    """

    def function(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        cdf = self._scratch("cdf", x)
        if self.approximate == "tanh":
            np.multiply(x, x, out=y)
            np.multiply(y, 2 * _ROOT * _CUBE, out=y)
            np.add(y, 2 * _ROOT, out=y)
            np.multiply(y, x, out=y)
            sigmoid(y, cdf)
            np.multiply(x, cdf, out=y)
            return x, cdf, y
        density = self._scratch("density", x)
        normal_distribution(x, cdf, density)
        np.multiply(x, cdf, out=y)
        return x, cdf, density

    def derivative(self, cache: tuple[Array, Array, Array], d: Array) -> None:
        if self.approximate == "tanh":
            x, cdf, y = cache
            rest = np.subtract(1, cdf, out=self._scratch("rest", d))
            np.multiply(x, x, out=d)
            np.multiply(d, 6 * _ROOT * _CUBE, out=d)
            np.add(d, 2 * _ROOT, out=d)  # 2 u'
            np.multiply(d, rest, out=d)
            np.multiply(d, y, out=d)
        else:
            x, cdf, density = cache
            np.multiply(x, density, out=d)
        np.add(d, cdf, out=d)


_ROOT, _CUBE = math.sqrt(2 / math.pi), 0.044715


class Softmax(Layer, spec.Softmax):
    """y = exp(x) / Σ exp(x) along the last axis; no element acts alone (Bridle 1990).

    ∂yᵢ/∂xⱼ = yᵢ ([i = j] - yⱼ), so with δ = ∂L/∂y: ∂L/∂x = y (δ - Σ δ y).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ShapeError("softmax needs at least one axis, received one number per example")
        return input_shape

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        np.subtract(inputs, row_maximum(inputs), out=outputs)  # so that no exponential overflows
        np.exp(outputs, out=outputs)
        np.divide(outputs, np.add.reduce(outputs, axis=-1, keepdims=True), out=outputs)
        return outputs, outputs

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        y, delta = cache, output_gradient
        input_gradient = self.buffer("input_gradient", y.shape, y.dtype)
        np.multiply(delta, y, out=input_gradient)
        shared = np.add.reduce(input_gradient, axis=-1, keepdims=True)
        np.subtract(delta, shared, out=input_gradient)
        np.multiply(input_gradient, y, out=input_gradient)
        return input_gradient
