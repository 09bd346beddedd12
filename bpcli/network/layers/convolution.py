"""Convolution: one small dense layer, used at every place of an image or a sequence.

Since the weights are shared by all places, a pattern is found wherever it lies, and a layer has few
weights however large its input is (LeCun et al. 1989).
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from bpcli.network import threads
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.network.layers.patches import Patches
from bpcli.network.layers.windows import Axis, windows
from bpcli.network.sums import column_sums
from bpcli.spec import layers as spec

Axes = tuple[Axis, ...]
_MOST = 16  # patches that a layer keeps: of its input and of δ, for each thread and batch size


class Convolution(Layer, spec.ConvolutionOptions):
    """z[o] = b + Σ over taps t of x[o s + t - l] W[t]; W (*kernel, inputs, filters), b (filters,).

    s is the stride, l the padding before x, which is zero outside. With X the windows of x, one a
    row, this is the dense layer z = X W + b, and with δ = ∂L/∂z

        ∂L/∂W = Xᵀ δ        ∂L/∂b = Σ δ over places        ∂L/∂x[i] = Σ δ[o] W[t]ᵀ

    the last over all o s + t - l = i. So ∂L/∂x is a convolution too, of δ with the flipped taps;
    with a stride it is one for each remainder of i + l by s (Dumoulin & Visin 2016).

    Inside, b is the weight of an input that is always 1: X ends in a column of ones.
    """

    shares_work = True

    def build(self, input_shape: Shape) -> None:
        self._made: dict[Any, Patches] = {}

    def parameters(self, input_shape: Shape) -> Declared:
        kernel = (axis.size for axis in windows(self, input_shape, "kernel"))
        declared: Declared = {"weight": ((*kernel, input_shape[-1], self.filters), self.init)}
        if self.bias:
            declared["bias"] = ((self.filters,), "zeros" if self.bias is True else self.bias)
        return declared

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*(axis.count for axis in windows(self, input_shape, "kernel")), self.filters)

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        axes = windows(self, inputs.shape[1:], "kernel")
        shape = (len(inputs), *(axis.count for axis in axes), self.filters)
        outputs = self.buffer("outputs", shape, inputs.dtype)
        matrix = parameters["weight"].reshape(-1, self.filters)
        if self.bias:
            matrix = np.vstack((matrix, parameters["bias"]))
        self._multiply(inputs, axes, matrix, outputs, one=bool(self.bias))
        return outputs, inputs

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        inputs, delta = cache, output_gradient
        axes = windows(self, inputs.shape[1:], "kernel")
        if self.needs_input_gradient and all(axis.stride == 1 for axis in axes):
            return self._backward_together(inputs, axes, delta, parameters, gradients)
        gradient = self._multiply_transposed(inputs, axes, delta, one=bool(self.bias))
        if self.bias:
            gradients["bias"][...] = gradient[-1]
            gradient = gradient[:-1]
        gradients["weight"][...] = gradient.reshape(gradients["weight"].shape)
        if not self.needs_input_gradient:
            return None
        input_gradient = self.buffer("input_gradient", inputs.shape, inputs.dtype)
        self._convolve_back(delta, axes, parameters["weight"], input_gradient)
        return input_gradient

    def _backward_together(
        self, x: Array, axes: Axes, delta: Array, parameters: Views, gradients: Views
    ) -> Array:
        """Without a stride the windows of δ that give ∂L/∂x give ∂L/∂W too: with D the windows, one
        a row for each place of x, that is xᵀ D, its taps flipped; no windows of x are made."""
        ((taps, _, back),) = (zip(*phase, strict=True) for phase in product(*map(_phases, axes)))
        channels, filters = parameters["weight"].shape[-2:]
        matrix = np.swapaxes(parameters["weight"][taps], -1, -2).reshape(-1, channels)
        input_gradient = self.buffer("input_gradient", x.shape, x.dtype)

        def work(part: slice) -> Array:
            total = np.zeros((channels, len(matrix)), delta.dtype)
            share = np.empty_like(total)
            for where, block in self._patches(part, back, delta, False).blocks(delta[part]):
                np.matmul(block, matrix, out=_rows(input_gradient[part][where]))
                np.add(total, np.matmul(_rows(x[part][where]).T, block, out=share), out=total)
            return total

        total = np.add.reduce(threads.run(work, _parts(delta, back)))
        shape = (channels, *(axis.size for axis in axes), filters)
        gradients["weight"][taps] = np.moveaxis(total.reshape(shape), 0, -2)
        if self.bias:
            column_sums(_rows(delta), gradients["bias"])
        return input_gradient

    def _convolve_back(
        self, delta: Array, axes: Axes, weight: Array, input_gradient: Array
    ) -> None:
        """Writes ∂L/∂x, the places of each remainder by the taps that reach them."""
        for phase in product(*map(_phases, axes)):
            taps, places, back = zip(*phase, strict=True)
            here = input_gradient[:, *places]
            flipped = np.swapaxes(weight[taps], -1, -2)
            if not flipped.size:  # windows with gaps between them: no tap reaches these places
                here.fill(0)
                continue
            whole = here.flags.c_contiguous
            found = here if whole else self.buffer("phase", here.shape, here.dtype)
            self._multiply(delta, back, flipped.reshape(-1, flipped.shape[-1]), found)
            if not whole:
                np.copyto(here, found)

    def _multiply(
        self, x: Array, axes: Axes, matrix: Array, z: Array, *, one: bool = False
    ) -> None:
        """Writes X · matrix into z, block by block."""

        def work(part: slice) -> None:
            for where, block in self._patches(part, axes, x, one).blocks(x[part]):
                np.matmul(block, matrix, out=z[part][where].reshape(-1, z.shape[-1]))

        threads.run(work, _parts(x, axes))

    def _multiply_transposed(self, x: Array, axes: Axes, delta: Array, *, one: bool) -> Array:
        """Xᵀ δ: a sum over the blocks in each thread, then over the threads in order."""

        def work(part: slice) -> Array:
            patches = self._patches(part, axes, x, one)
            total = np.zeros((patches.width, delta.shape[-1]), delta.dtype)
            share = np.empty_like(total)
            for where, block in patches.blocks(x[part]):
                rows = delta[part][where].reshape(-1, delta.shape[-1])
                np.add(total, np.matmul(block.T, rows, out=share), out=total)
            return total

        total: Array = np.add.reduce(threads.run(work, _parts(x, axes)))
        return total

    def _patches(self, part: slice, axes: Axes, x: Array, one: bool) -> Patches:
        """Memory for the windows of x, kept for the next time; each thread has its own."""
        key = (part.start, axes, x.shape[-1], x.dtype, one)
        if key not in self._made:
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key] = Patches(axes, x.shape[-1], x.dtype, one=one)
        return self._made[key]


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _parts(x: Array, axes: Axes) -> list[slice]:
    values = math.prod(axis.count * axis.size for axis in axes) * x.shape[-1]
    return threads.parts(len(x), len(x) * values)


def _phases(axis: Axis) -> list[tuple[slice, slice, Axis]]:
    """For each remainder r of i + l by the stride: its taps, flipped, the places i in the input,
    and the windows of δ that these places are convolutions of."""
    found = []
    for remainder in range(axis.stride):
        first = (remainder - axis.low) % axis.stride
        places = range(first, axis.length, axis.stride)
        taps = range(remainder, axis.size, axis.stride)
        if places:
            reached = (first + axis.low) // axis.stride  # by tap r; the taps after it lie before
            back = Axis(axis.count, len(taps), 1, len(taps) - 1 - reached, len(places))
            flipped = slice(taps[-1], None, -axis.stride) if taps else slice(0)
            found.append((flipped, slice(first, None, axis.stride), back))
    return found


class Conv1d(Convolution, spec.Conv1d):
    """Over sequences: x (positions, features), W (kernel, features, filters)."""


class Conv2d(Convolution, spec.Conv2d):
    """Over images: x (rows, columns, channels), W (*kernel, channels, filters)."""
