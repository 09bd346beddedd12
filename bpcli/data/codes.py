"""Codes: inputs that are symbols by number, for networks that begin with an embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bpcli.data.inputs import Feature, Inputs, reshaped
from bpcli.data.scaling import Scaling, blocks
from bpcli.data.sources import Examples, OptionError
from bpcli.data.sources.source import Array, Numbers, Shape
from bpcli.spec.layers import LayerOptions, Repeat
from bpcli.spec.model import Spec

LARGEST_CODE = 1 << 24  # beyond that they are numbers, not symbols


def first_layer(spec: Spec) -> tuple[LayerOptions, str]:
    """The layer that reads the inputs, and its path in the spec."""
    layer, path = spec.network[0], "network.0"
    while isinstance(layer, Repeat):
        layer, path = layer.layers[0], f"{path}.repeat.layers.0"
    return layer, path


def takes_codes(spec: Spec) -> bool:
    """Whether the network reads codes and not numbers."""
    return first_layer(spec)[0].name == "embedding"


def code_inputs(shape: Shape, count: int) -> Inputs:
    """Inputs that are left as they are: codes from 0 to count - 1."""
    return Inputs(None, shape, shape, "int64", Scaling(np.zeros(0), np.ones(0)), None, count)


def fit_codes(examples: Examples, *, scale: str | float, shape: Shape | None) -> Inputs | None:
    """Inputs of whole numbers from 0, as many codes as there are in all the examples.

    None where the inputs are something else.
    """
    if isinstance(examples.inputs, tuple):
        numbers = [column for column in examples.inputs if isinstance(column, Numbers)]
        if len(numbers) < len(examples.inputs):
            return None
        features: tuple[Feature, ...] | None = tuple(Feature(c.name, None) for c in numbers)
        source_shape: Shape = (len(numbers),)
        largest = [_largest(column.values) for column in numbers]
    else:
        features, source_shape = None, examples.inputs.shape[1:]
        largest = [_largest(examples.inputs)]
    if min(largest) < 0 or max(largest) > LARGEST_CODE:
        return None
    if scale != "none":
        raise OptionError("scale", "`scale` is for numbers; an embedding takes codes as they are")
    inputs = code_inputs(source_shape, max(largest) + 1)
    return replace(inputs, features=features, shape=reshaped(source_shape, shape))


def _largest(values: Array) -> int:
    """The largest of whole numbers from 0, -1 where one is something else."""
    rows, largest = values.reshape(len(values), -1), 0
    for part in blocks(*rows.shape):
        block = rows[part]
        if not (block.min() >= 0 and (block.dtype.kind in "bui" or (block % 1 == 0).all())):
            return -1
        largest = max(largest, int(block.max()))
    return largest
