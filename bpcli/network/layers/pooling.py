"""Pooling: windows of an image or a sequence, summarized by their largest value or their mean.

The largest value of a rectangle is the largest of its rows' largest values, and with means it is
the same: so an image is pooled along one axis after the other, there and back.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bpcli.network import threads
from bpcli.network.layer import Array, Layer, Shape, Views
from bpcli.network.layers.windows import Axis, require_image_or_sequence, windows
from bpcli.spec import layers as spec


class Pooling(Layer, spec.PoolingOptions):
    """y[o] = a summary of x[o s - l], ..., x[o s - l + size - 1], for each channel by itself.

    s is the stride, l the padding before x; what a window has outside x does not count. A subclass
    says what happens along one axis, on arrays (rest, axis, rest).
    """

    shares_work = True

    def pool(self, axis: Axis, x: Array, y: Array) -> None:
        """Writes the summaries into y."""
        raise NotImplementedError

    def pool_back(self, axis: Axis, x: Array, y: Array, delta: Array, g: Array) -> None:
        """Writes ∂L/∂x into g; delta is ∂L/∂y."""
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*(axis.count for axis in windows(self, input_shape, "size")), input_shape[-1])

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        axes = windows(self, inputs.shape[1:], "size")
        stages = [inputs]  # the input, pooled along no axis, one, two
        for number, axis in enumerate(axes, 1):
            shape = list(stages[-1].shape)
            shape[number] = axis.count
            stages.append(self.buffer(f"outputs {number}", tuple(shape), inputs.dtype))

        def work(part: slice) -> None:
            for number, axis in enumerate(axes):
                x, y = (_along(number + 1, stage[part]) for stage in stages[number : number + 2])
                self.pool(axis, x, y)

        threads.share(work, len(inputs), inputs.size)
        return stages[-1], (axes, stages)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        axes, stages = cache
        deltas = [
            self.buffer(f"input_gradient {number}", stage.shape, output_gradient.dtype)
            for number, stage in enumerate(stages[:-1])
        ]
        deltas.append(output_gradient)

        def work(part: slice) -> None:
            for number, axis in reversed(list(enumerate(axes))):
                x, y, g, delta = (
                    _along(number + 1, array[part])
                    for array in (*stages[number : number + 2], *deltas[number : number + 2])
                )
                self.pool_back(axis, x, y, delta, g)

        threads.share(work, len(output_gradient), stages[0].size)
        return deltas[0]


class MaxPooling(Pooling):
    """y = max x over the window; ∂L/∂x is δ at the largest value, 0 elsewhere (Zhou 1988).

    Of equal largest values along an axis the first takes all of δ, so that none of it is doubled.
    """

    def pool(self, axis: Axis, x: Array, y: Array) -> None:
        taps = axis.taps
        if axis.tiles and axis.size > 1:
            (_, i), (_, j), *taps = taps
            _larger(x[:, i], x[:, j], y)
        else:
            y.fill(-np.inf)  # a window may have nothing at an offset
        for o, i in taps:
            _larger(y[:, o], x[:, i], y[:, o])

    def pool_back(self, axis: Axis, x: Array, y: Array, delta: Array, g: Array) -> None:
        if axis.tiles:
            self._pool_back_tiles(axis, x, y, delta, g)
            return
        g.fill(0)
        left = delta.copy()  # of δ, for the values to come
        for o, i in axis.taps:
            taken = left[:, o] * (x[:, i] == y[:, o])
            np.add(g[:, i], taken, out=g[:, i])
            np.subtract(left[:, o], taken, out=left[:, o])

    def _pool_back_tiles(self, axis: Axis, x: Array, y: Array, delta: Array, g: Array) -> None:
        """The same where each value lies in one window: twice as fast."""
        g[:, axis.span :] = 0
        *others, last = (i for _, i in axis.taps)
        left = delta
        for i in others:
            taken = np.multiply(left, x[:, i] == y, out=g[:, i])
            left = np.subtract(left, taken, out=g[:, last])  # what no other takes is the last one's
        if not others:
            np.copyto(g[:, last], delta)


class MeanPooling(Pooling):
    """y = mean x over the window's n values in the input; each has ∂y/∂x = 1/n."""

    def pool(self, axis: Axis, x: Array, y: Array) -> None:
        y.fill(0)
        for o, i in axis.taps:
            np.add(y[:, o], x[:, i], out=y[:, o])
        np.multiply(y, _shares(axis, y.dtype), out=y)

    def pool_back(self, axis: Axis, x: Array, y: Array, delta: Array, g: Array) -> None:
        g.fill(0)
        share = delta * _shares(axis, delta.dtype)
        for o, i in axis.taps:
            np.add(g[:, i], share[:, o], out=g[:, i])


def _larger(x: Array, y: Array, out: Array) -> None:
    """max(x, y), x where they tie; of complex numbers by the real part, unlike np.maximum."""
    if x.dtype.kind == "c":
        out[...] = np.where(y.real > x.real, y, x)
    else:
        np.maximum(x, y, out=out)


def _shares(axis: Axis, dtype: Any) -> Array:
    """1/n for each window, as a column."""
    counts = np.zeros((axis.count, 1), dtype)
    for o, _ in axis.taps:
        counts[o] += 1
    return np.reciprocal(counts)


class MaxPool1d(MaxPooling, spec.MaxPool1d):
    """Over sequences (positions, features)."""


class MaxPool2d(MaxPooling, spec.MaxPool2d):
    """Over images (rows, columns, channels)."""


class AvgPool1d(MeanPooling, spec.AvgPool1d):
    """Over sequences (positions, features)."""


class AvgPool2d(MeanPooling, spec.AvgPool2d):
    """Over images (rows, columns, channels)."""


class GlobalMeanPooling(Layer):
    """y = mean x over all n places of a channel; each has ∂y/∂x = 1/n (Lin et al. 2014)."""

    def output_shape(self, input_shape: Shape) -> Shape:
        require_image_or_sequence(self, input_shape)
        return input_shape[-1:]

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        places = _places(inputs)
        outputs = self.buffer("outputs", (len(inputs), inputs.shape[-1]), inputs.dtype)
        np.add.reduce(places, axis=1, out=outputs)
        np.multiply(outputs, 1 / places.shape[1], out=outputs)
        return outputs, inputs.shape

    def backward(
        self, cache: Shape, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array:
        input_gradient = self.buffer("input_gradient", cache, output_gradient.dtype)
        places = _places(input_gradient)
        np.multiply(output_gradient[:, np.newaxis], 1 / places.shape[1], out=places)
        return input_gradient


class GlobalAvgPool1d(GlobalMeanPooling, spec.GlobalAvgPool1d):
    """Over sequences (positions, features)."""


class GlobalAvgPool2d(GlobalMeanPooling, spec.GlobalAvgPool2d):
    """Over images (rows, columns, channels)."""


def _along(axis: int, array: Array) -> Array:
    """(the axes before it, the axis, the axes after it)."""
    shape = array.shape
    return array.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


def _places(array: Array) -> Array:
    """(examples, places, channels)."""
    return array.reshape(len(array), -1, array.shape[-1])
