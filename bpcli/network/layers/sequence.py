"""What every layer asks of its input that reads a sequence."""

from __future__ import annotations

from bpcli.errors import ShapeError
from bpcli.network.layer import Layer, Shape


def require_sequence(layer: Layer, input_shape: Shape) -> None:
    """Raises ShapeError unless the shape of one example is (time, features)."""
    if len(input_shape) == 2:
        return
    received = f"shape {input_shape}" if input_shape else "a single number per example"
    raise ShapeError(
        f"{layer.name} reads a sequence, (time, features), received {received}; "
        f"{_advice(layer, input_shape)}"
    )


def _advice(layer: Layer, input_shape: Shape) -> str:
    if len(input_shape) < 2:
        return (
            "text needs an embedding first, a table `shape: [time, features]`, and a recurrent "
            "layer before this one `return: sequence`"
        )
    if layer.name.endswith("1d"):
        return f"{layer.name.removesuffix('1d')}2d reads images"
    return "`shape: [time, features]` in data makes sequences of images"
