"""Activations: the same function of every element, and its slope.

An activation y = φ(x) acts on each element alone, so the chain rule is one product:

    ∂L/∂x = ∂L/∂y · φ'(x)

Where φ' is small on most inputs, gradients vanish on their way back; where it exceeds 1, they can
explode. Each class states φ and φ' side by side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bpcli.network.layer import Array, Layer, Views
from bpcli.network.special import normal_cdf, normal_density, sigmoid, softplus
from bpcli.spec import layers as spec


class Activation(Layer):
    """y = φ(x), element by element; the subclass writes φ and φ' into arrays it is given."""

    def function(self, x: Array, y: Array) -> None:
        """Writes φ(x) into y."""
        raise NotImplementedError

    def slope(self, x: Array, y: Array, d: Array) -> None:
        """Writes φ'(x) into d; y = φ(x) often makes that cheap."""
        raise NotImplementedError

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        self.function(inputs, outputs)
        return outputs, (inputs, outputs)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        inputs, outputs = cache
        input_gradient = self.buffer("input_gradient", inputs.shape, inputs.dtype)
        self.slope(inputs, outputs, input_gradient)
        return np.multiply(input_gradient, output_gradient, out=input_gradient)


class Identity(Activation, spec.Identity):
    """φ(x) = x, φ'(x) = 1."""

    def function(self, x: Array, y: Array) -> None:
        y[...] = x

    def slope(self, x: Array, y: Array, d: Array) -> None:
        d[...] = 1


class Tanh(Activation, spec.Tanh):
    """φ(x) = tanh x, φ'(x) = 1 - y²."""

    def function(self, x: Array, y: Array) -> None:
        np.tanh(x, out=y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        np.multiply(y, y, out=d)
        np.subtract(1, d, out=d)


class Sigmoid(Activation, spec.Sigmoid):
    """φ(x) = 1 / (1 + e⁻ˣ), φ'(x) = y (1 - y), which is at most ¼."""

    def function(self, x: Array, y: Array) -> None:
        sigmoid(x, y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        np.subtract(1, y, out=d)
        np.multiply(d, y, out=d)


class Softplus(Activation, spec.Softplus):
    """φ(x) = ln(1 + eˣ), φ'(x) = sigmoid(x) (Dugas et al. 2001)."""

    def function(self, x: Array, y: Array) -> None:
        softplus(x, y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        sigmoid(x, d)


class Exponential(Activation, spec.Exponential):
    """φ(x) = eˣ, φ'(x) = y."""

    def function(self, x: Array, y: Array) -> None:
        np.exp(x, out=y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        d[...] = y


class Silu(Activation, spec.Silu):
    """φ(x) = x σ(x), φ'(x) = σ (1 + x (1 - σ)) (Elfwing et al. 2017)."""

    def function(self, x: Array, y: Array) -> None:
        s = sigmoid(x, self.buffer("sigmoid", x.shape, x.dtype))
        np.multiply(x, s, out=y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        s = self.buffer("sigmoid", x.shape, x.dtype)
        np.subtract(1, s, out=d)
        np.multiply(d, x, out=d)
        np.add(d, 1, out=d)
        np.multiply(d, s, out=d)


class Gelu(Activation, spec.Gelu):
    """φ(x) = x Φ(x), φ'(x) = Φ(x) + x φ(x), Φ and φ the normal distribution and its density.

    With ``approximate: tanh``, Φ(x) is ½ (1 + tanh u), u = √(2/π) (x + 0.044715 x³), and
    φ'(x) = Φ + ½ x (1 - tanh² u) u' (Hendrycks & Gimpel 2016).
    """

    def function(self, x: Array, y: Array) -> None:
        cdf = self.buffer("cdf", x.shape, x.dtype)
        if self.approximate == "tanh":
            np.multiply(x, x, out=cdf)
            np.multiply(cdf, _CUBE * _ROOT, out=cdf)
            np.add(cdf, _ROOT, out=cdf)
            np.multiply(cdf, x, out=cdf)
            np.tanh(cdf, out=cdf)
            np.add(cdf, 1, out=cdf)
            np.multiply(cdf, 0.5, out=cdf)
        else:
            normal_cdf(x, cdf)
        np.multiply(x, cdf, out=y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        cdf = self.buffer("cdf", x.shape, x.dtype)
        if self.approximate == "tanh":  # 1 - tanh² u = 4 Φ (1 - Φ), and x Φ = y
            np.multiply(x, x, out=d)
            np.multiply(d, 3 * _CUBE * _ROOT, out=d)
            np.add(d, _ROOT, out=d)
            np.multiply(d, y, out=d)
            np.multiply(d, 2 * (1 - cdf), out=d)
        else:
            normal_density(x, d)
            np.multiply(d, x, out=d)
        np.add(d, cdf, out=d)


_ROOT, _CUBE = math.sqrt(2 / math.pi), 0.044715


class Relu(Activation, spec.Relu):
    """φ(x) = max(x, 0), φ'(x) = 1 where x > 0, else 0, at 0 too (Nair & Hinton 2010)."""

    def function(self, x: Array, y: Array) -> None:
        if x.dtype.kind == "c":  # the larger by its real part, with its own imaginary part
            np.multiply(x, x.real > 0, out=y)
        else:
            np.maximum(x, 0, out=y)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        _, outputs = cache
        active = self.buffer("active", outputs.shape, np.bool_)
        input_gradient = self.buffer("input_gradient", outputs.shape, outputs.dtype)
        np.greater(outputs.real, 0, out=active)
        return np.multiply(output_gradient, active, out=input_gradient)


class LeakyRelu(Layer, spec.LeakyRelu):
    """φ(x) = x where x > 0, else a x; φ'(x) = 1 or a, a the option ``slope`` (Maas et al. 2013)."""

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        positive = np.greater(inputs.real, 0, out=self.buffer("positive", inputs.shape, np.bool_))
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        np.multiply(inputs, self.slope, out=outputs)
        np.copyto(outputs, inputs, where=positive)
        return outputs, positive

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        input_gradient = self.buffer("input_gradient", cache.shape, output_gradient.dtype)
        np.multiply(output_gradient, self.slope, out=input_gradient)
        np.copyto(input_gradient, output_gradient, where=cache)
        return input_gradient


class _ExponentialLinear(Activation):
    """φ(x) = λ x where x > 0, else λ α (eˣ - 1); φ'(x) = λ, or λ α eˣ."""

    scale = alpha = 1.0  # λ and α

    def function(self, x: Array, y: Array) -> None:
        np.minimum(x, 0, out=y)
        np.expm1(y, out=y)
        np.multiply(y, self.alpha, out=y)
        np.copyto(y, x, where=x.real > 0)
        if self.scale != 1:
            np.multiply(y, self.scale, out=y)

    def slope(self, x: Array, y: Array, d: Array) -> None:
        np.minimum(x, 0, out=d)
        np.exp(d, out=d)
        np.multiply(d, self.alpha * self.scale, out=d)
        np.copyto(d, self.scale, where=x.real > 0)


class Elu(_ExponentialLinear, spec.Elu):
    """φ(x) = x where x > 0, else α (eˣ - 1) (Clevert et al. 2015)."""


class Selu(_ExponentialLinear, spec.Selu):
    """An ELU whose λ and α make mean 0 and variance 1 a fixed point (Klambauer et al. 2017)."""

    scale = 1.0507009873554804934193349852946
    alpha = 1.6732632423543772848170429916717


class Softmax(Layer, spec.Softmax):
    """y = exp(x) / Σ exp(x) along the last axis; no element acts alone.

    ∂yᵢ/∂xⱼ = yᵢ ([i = j] - yⱼ), so with g = ∂L/∂y: ∂L/∂x = y (g - Σ g y) (Bridle 1990).
    """

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        np.subtract(inputs, inputs.real.max(axis=-1, keepdims=True), out=outputs)
        np.exp(outputs, out=outputs)
        np.divide(outputs, outputs.sum(axis=-1, keepdims=True), out=outputs)
        return outputs, outputs

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        y, g = cache, output_gradient
        input_gradient = self.buffer("input_gradient", y.shape, y.dtype)
        np.multiply(g, y, out=input_gradient)
        shared = input_gradient.sum(axis=-1, keepdims=True)
        np.subtract(g, shared, out=input_gradient)
        return np.multiply(input_gradient, y, out=input_gradient)
