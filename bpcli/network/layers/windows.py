"""Where windows lie that slide along the axes of an image or a sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import repeat
from operator import gt
from typing import Any

from bpcli.errors import ShapeError
from bpcli.network.layer import Layer, Shape
from bpcli.network.layers.sequence import require_sequence


@dataclass(frozen=True)
class Axis:
    """``count`` windows along an axis; window o spans x[o·stride - low], ..., ``size`` values."""

    length: int  # of the input
    size: int
    stride: int
    low: int  # how many values the first window reaches before the input; negative: it starts later
    count: int

    @property
    def span(self) -> int:
        """How many values the windows reach over, padding included."""
        return (self.count - 1) * self.stride + self.size

    @property
    def tiles(self) -> bool:
        """Whether each value up to the span lies in one window, and in no more."""
        return self.stride == self.size and self.low == 0 and self.span <= self.length

    @property
    def inside(self) -> tuple[slice, slice]:
        """The part of the span that is input: where it lies in the span, and in the input."""
        start, stop = max(0, -self.low), min(self.length, self.span - self.low)
        return slice(start + self.low, stop + self.low), slice(start, stop)

    @cached_property
    def taps(self) -> list[tuple[slice, slice]]:
        """For each offset in a window: the windows that have it in the input, and these values."""
        return [self._tap(offset - self.low) for offset in range(self.size)]

    def _tap(self, shift: int) -> tuple[slice, slice]:
        """Window o has x[o·stride + shift] there."""
        first = max(0, -(shift // self.stride))
        last = min(self.count, (self.length - 1 - shift) // self.stride + 1)
        if last <= first:
            return slice(0), slice(0)
        start, stop = (o * self.stride + shift for o in (first, last - 1))
        return slice(first, last), slice(start, stop + 1, self.stride)


@lru_cache(256)  # axes keep their taps
def slide(length: int, size: int, stride: int, padding: str) -> Axis:
    """``valid`` windows lie in the input; ``same`` gives ⌈length/stride⌉ windows, the padding
    that they need split evenly, the odd value after the input (Keras' rule)."""
    if padding == "valid":
        return Axis(length, size, stride, 0, (length - size) // stride + 1)
    count = -(-length // stride)
    missing = max(0, (count - 1) * stride + size - length)
    return Axis(length, size, stride, missing // 2, count)


def windows(layer: Layer, input_shape: Shape, what: str) -> tuple[Axis, ...]:
    """The layer's windows along each axis of an image (..2d) or a sequence (..1d).

    ``what`` is the option that says how large they are. Raises ShapeError where the input is no
    image or no sequence, or smaller than a window: padding makes room for kernels alone.
    """
    options: Any = layer
    require_image_or_sequence(layer, input_shape)
    lengths = input_shape[:-1]
    sizes = _per_axis(getattr(options, what), lengths)
    strides = sizes if options.stride is None else _per_axis(options.stride, lengths)
    needs_input = options.padding == "valid" or what == "size"
    if needs_input and any(map(gt, sizes, lengths)):
        advice = " or `padding: same`" if what == "kernel" else ""
        raise ShapeError(
            f"{layer.name} has windows of {_times(sizes)}, larger than its input of "
            f"{_times(lengths)}; choose a smaller {what}{advice}, or keep the input larger"
        )
    return tuple(map(slide, lengths, sizes, strides, repeat(options.padding)))


def require_image_or_sequence(layer: Layer, input_shape: Shape) -> None:
    """Raises ShapeError unless the input has the axes that the layer's name promises."""
    if layer.name.endswith("1d"):
        require_sequence(layer, input_shape)
    elif len(input_shape) != 3:
        raise ShapeError(
            f"{layer.name} reads an image, (rows, columns, channels), received "
            f"{_received(input_shape)}; {_advice(input_shape)}"
        )


def _received(shape: Shape) -> str:
    return f"shape {shape}" if shape else "a single number per example"


def _advice(shape: Shape) -> str:
    if len(shape) == 2:
        rows, columns = shape
        return f"`shape: [{rows}, {columns}, 1]` in data makes grey images of {rows}x{columns}"
    side = math.isqrt(math.prod(shape))
    example = [side, side, 1] if side * side == math.prod(shape) else [28, 28, 1]
    return f"`shape: {example}` in data makes a table images, and flatten comes after this layer"


def _per_axis(value: int | Sequence[int], lengths: Shape) -> tuple[int, ...]:
    return (value,) * len(lengths) if isinstance(value, int) else tuple(value)


def _times(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
