"""Draws the numbers that a parameter starts with.

With weights of variance 1/fan_in a signal keeps its size through a linear layer, with 1/fan_out a
gradient does on its way back; the usual initializers sit between or correct for the activation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from bpcli.errors import ShapeError
from bpcli.network.layer import Array, Shape
from bpcli.spec import initializers as spec
from bpcli.spec.options import main_option

# the shorthand names as (scale, mode, distribution) of variance scaling
_SCALINGS = {
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "he_normal": (2.0, "fan_in", "normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "lecun_normal": (1.0, "fan_in", "normal"),
}
# standard deviation of a standard normal variable cut at ±2: √(1 - 4 φ(2) / (2 Φ(2) - 1))
_CUT_DEVIATION = 0.87962566103423978


@dataclass(frozen=True)
class Blocks:
    """Equal blocks along the last axis, each with an init of its own: the gates of a cell."""

    inits: tuple[Any, ...]
    name = "blocks"


def per_block(init: Any, count: int) -> Any:
    """The init for each of so many blocks; literal values are those of all blocks together."""
    return init if _read(init).name == "values" else Blocks((init,) * count)


def check_init(init: Any, shape: Shape) -> None:
    """Raises ShapeError where the init cannot give that shape; draws nothing."""
    init = _read(init)
    axes = len(shape)
    if init.name == "orthogonal" and axes < 2:
        raise ShapeError(f"orthogonal needs two axes or more, the parameter has shape {shape}")
    if init.name == "identity" and axes != 2:
        raise ShapeError(f"identity needs two axes, the parameter has shape {shape}")
    if init.name == "values" and np.shape(init.values) != shape:
        raise ShapeError(
            f"the parameter has shape {shape}, its values have shape {np.shape(init.values)}"
        )
    if init.name == "blocks":
        for each in init.inits:
            check_init(each, _block(init, shape))


def initialize(init: Any, shape: Shape, random: Generator) -> Array:
    """float64 numbers of that shape, in every precision the same.

    ``init`` is one of the spec's initializers, or written as in a spec: a name, or {name: options}.
    Raises ShapeError where it cannot give that shape.
    """
    check_init(init, shape)
    init = general_form(init)
    drawn: Array = _DRAW[init.name](init, shape, random)
    return drawn


def general_form(init: Any) -> Any:
    """The initializer's options, those of the shorthand names as the variance scaling they are."""
    init = _read(init)
    if init.name in _SCALINGS:
        return spec.VarianceScaling(*_SCALINGS[init.name])
    return init


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (*kernel, inputs, outputs): how many values feed an output,
    and how many outputs a value feeds."""
    outputs = shape[-1] if shape else 1
    return math.prod(shape[:-1]), math.prod(shape[:-2]) * outputs


def _read(init: Any) -> Any:
    if not isinstance(init, (str, Mapping)):
        return init
    name, value = (init, {}) if isinstance(init, str) else next(iter(init.items()), ("", {}))
    kind = spec.INITIALIZERS.get(name)
    if kind is None:
        known = ", ".join(spec.INITIALIZERS)
        raise ShapeError(f"there is no init {name!r}; there are {known}")
    main = main_option(kind)
    if isinstance(value, Mapping):
        return kind(**value)
    return kind(**{main.field: value}) if main else kind()


def _variance_scaling(init: spec.VarianceScaling, shape: Shape, random: Generator) -> Array:
    """Var = scale / fan."""
    fan_in, fan_out = fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[init.mode]
    deviation = math.sqrt(init.scale / fan)
    if init.distribution == "uniform":  # of variance limit² / 3
        limit = math.sqrt(3) * deviation
        return _uniform(-limit, limit, shape, random)
    if init.distribution == "normal":
        return deviation * random.standard_normal(shape)
    return deviation / _CUT_DEVIATION * _truncated_normal(shape, random)


def _uniform(low: float, high: float, shape: Shape, random: Generator) -> Array:
    if math.isfinite(high - low):
        return random.uniform(low, high, shape)
    share = random.random(shape)
    return low * (1 - share) + high * share


def _truncated_normal(shape: Shape, random: Generator) -> Array:
    """Standard normal numbers, those beyond ±2 drawn again."""
    numbers = random.standard_normal(shape)
    while (outside := np.abs(numbers) > 2).any():
        numbers[outside] = random.standard_normal(np.count_nonzero(outside))
    return numbers


def _orthogonal(init: spec.Orthogonal, shape: Shape, random: Generator) -> Array:
    """Q of a normal matrix, its signs fixed so that every orthogonal matrix is equally likely
    (Mezzadri 2007); axes before the last count as rows."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    normal = random.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q *= init.gain * np.sign(np.diagonal(r))
    matrix: Array = q if rows >= columns else q.T
    return matrix.reshape(shape)


def _block(init: Blocks, shape: Shape) -> Shape:
    return (*shape[:-1], shape[-1] // len(init.inits))


def _blocks(init: Blocks, shape: Shape, random: Generator) -> Array:
    block = _block(init, shape)
    return np.concatenate([initialize(each, block, random) for each in init.inits], axis=-1)


_DRAW: dict[str, Any] = {
    "variance_scaling": _variance_scaling,
    "orthogonal": _orthogonal,
    "identity": lambda init, shape, random: np.eye(*shape),
    "values": lambda init, shape, random: np.array(init.values, np.float64),
    "blocks": _blocks,
    "zeros": lambda init, shape, random: np.zeros(shape),
    "ones": lambda init, shape, random: np.ones(shape),
    "constant": lambda init, shape, random: np.full(shape, init.value),
    "normal": lambda init, shape, random: init.std * random.standard_normal(shape),
    "uniform": lambda init, shape, random: _uniform(init.low, init.high, shape, random),
}
