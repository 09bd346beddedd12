"""Normalization: mean 0 and variance 1 again at every depth, so that signals keep their size.

Let n = (x - μ) / √(σ² + ε) over M values, and g = ∂L/∂n. The mean and the variance depend on x
too, so the chain rule takes two terms out of g, its mean and its share along n:

    ∂L/∂x = (g - mean(g) - n mean(g n)) / √(σ² + ε)

Batch, layer and RMS normalization differ only in what the mean is taken over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.errors import ShapeError
from bpcli.network.buffers import scratch
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.network.sums import column_sums, row_products, row_sums
from bpcli.spec import layers as spec


class Normalization(Layer):
    """y = n · scale + shift, one scale and shift a feature (the last axis)."""

    def parameters(self, input_shape: Shape) -> Declared:
        features = input_shape[-1:]
        return {"scale": (features, "ones"), "shift": (features, "zeros")}

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ShapeError(f"{self.name} needs at least one axis, received one number an example")
        return input_shape

    def _rows_buffer(self, name: str, like: Array) -> Array:
        """A buffer with one row for each value of a feature."""
        return self.buffer(name, like.shape, like.dtype).reshape(-1, like.shape[-1])

    def _affine(self, n: Array, parameters: Views, inputs: Array) -> Array:
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        rows = outputs.reshape(n.shape)
        np.multiply(n, parameters["scale"], out=rows)
        np.add(rows, parameters["shift"], out=rows)
        return outputs

    def _affine_backward(self, n: Array, delta: Array, gradients: Views) -> None:
        """∂L/∂scale = Σ δ n, ∂L/∂shift = Σ δ."""
        np.einsum("ij,ij->j", delta, n, out=gradients["scale"])
        column_sums(delta, gradients["shift"])


class BatchNorm(Normalization, spec.BatchNorm):
    """n over the batch (and positions) for each feature (Ioffe & Szegedy 2015).

    While training μ and σ² (biased) are the batch's own, and running means of μ and of the
    unbiased σ² are kept with weight ``momentum`` of the new batch. Afterwards those stand in, and
    n depends on x by a constant factor only. Raises ShapeError on a training batch with a single
    value a feature: its n would be 0 whatever x is, and no gradient would pass.
    """

    def state(self, input_shape: Shape) -> Declared:
        features = input_shape[-1:]
        return {"running_mean": (features, "zeros"), "running_variance": (features, "ones")}

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        x, n = inputs.reshape(-1, inputs.shape[-1]), self._rows_buffer("normalized", inputs)
        if training:
            self._require_two_values(x)
            mean = column_sums(x) / len(x)
            np.subtract(x, mean, out=n)
            variance = np.einsum("ij,ij->j", n, n) / len(x)
            self._keep(parameters, mean, variance, len(x))
        else:
            variance = parameters["running_variance"]
            np.subtract(x, parameters["running_mean"], out=n)
        inverse = 1 / np.sqrt(variance + self.epsilon)
        np.multiply(n, inverse, out=n)
        return self._affine(n, parameters, inputs), (n, inverse, inputs.shape, training)

    def _require_two_values(self, x: Array) -> None:
        if len(x) < 2:
            raise ShapeError(
                f"{self.path or self.name} needs at least two values a feature to train on, "
                f"received a batch of {len(x)}; choose a batch_size that leaves no single example, "
                f"or layer_norm"
            )

    def _keep(self, parameters: Views, mean: Array, variance: Array, count: int) -> None:
        if mean.dtype.kind == "c":  # a derivative is being taken: the state is no part of it
            return
        running_mean, running_variance = parameters["running_mean"], parameters["running_variance"]
        unbiased = variance * (count / (count - 1))
        running_mean += self.momentum * (mean - running_mean)
        running_variance += self.momentum * (unbiased - running_variance)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        n, inverse, shape, training = cache
        delta, count = output_gradient.reshape(n.shape), len(n)
        self._affine_backward(n, delta, gradients)
        if not self.needs_input_gradient:
            return None
        input_gradient = self.buffer("input_gradient", shape, n.dtype)
        rows = input_gradient.reshape(n.shape)
        factor = parameters["scale"] * inverse  # g = δ scale, and scale is the same in all rows
        if training:
            np.multiply(n, gradients["scale"] / -count, out=rows)  # - n mean(δ n)
            np.add(rows, delta, out=rows)
            np.subtract(rows, gradients["shift"] / count, out=rows)  # - mean(δ)
            np.multiply(rows, factor, out=rows)
        else:
            np.multiply(delta, factor, out=rows)
        return input_gradient


class LayerNorm(Normalization, spec.LayerNorm):
    """n over the features of each example, the same in training and after (Ba et al. 2016)."""

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        x, n = inputs.reshape(-1, inputs.shape[-1]), self._rows_buffer("normalized", inputs)
        mean = row_sums(x)[:, np.newaxis] / x.shape[1]
        np.subtract(x, mean, out=n)
        variance = row_products(n, n)[:, np.newaxis] / x.shape[1]
        inverse = 1 / np.sqrt(variance + self.epsilon)
        np.multiply(n, inverse, out=n)
        return self._affine(n, parameters, inputs), (n, inverse, inputs.shape)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        n, inverse, shape = cache
        delta, features = output_gradient.reshape(n.shape), n.shape[1]
        self._affine_backward(n, delta, gradients)
        if not self.needs_input_gradient:
            return None
        g = np.multiply(delta, parameters["scale"], out=scratch(delta.shape, delta.dtype))
        input_gradient = self.buffer("input_gradient", shape, n.dtype)
        rows = input_gradient.reshape(n.shape)
        np.multiply(n, row_products(g, n)[:, np.newaxis] / features, out=rows)
        np.subtract(g, rows, out=rows)
        np.subtract(rows, row_sums(g)[:, np.newaxis] / features, out=rows)
        np.multiply(rows, inverse, out=rows)
        return input_gradient


class RmsNorm(Normalization, spec.RmsNorm):
    """n = x / √(mean(x²) + ε) over the features, y = n · scale (Zhang & Sennrich 2019).

    No mean is taken out, so only the share along n leaves g.
    """

    def parameters(self, input_shape: Shape) -> Declared:
        return {"scale": (input_shape[-1:], "ones")}

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        x, n = inputs.reshape(-1, inputs.shape[-1]), self._rows_buffer("normalized", inputs)
        mean_square = row_products(x, x)[:, np.newaxis] / x.shape[1]
        inverse = 1 / np.sqrt(mean_square + self.epsilon)
        np.multiply(x, inverse, out=n)
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        np.multiply(n, parameters["scale"], out=outputs.reshape(n.shape))
        return outputs, (n, inverse, inputs.shape)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        n, inverse, shape = cache
        delta = output_gradient.reshape(n.shape)
        np.einsum("ij,ij->j", delta, n, out=gradients["scale"])
        if not self.needs_input_gradient:
            return None
        g = np.multiply(delta, parameters["scale"], out=self._rows_buffer("g", output_gradient))
        input_gradient = self.buffer("input_gradient", shape, n.dtype)
        rows = input_gradient.reshape(n.shape)
        np.multiply(n, row_products(g, n)[:, np.newaxis] / n.shape[1], out=rows)
        np.subtract(g, rows, out=rows)
        np.multiply(rows, inverse, out=rows)
        return input_gradient
