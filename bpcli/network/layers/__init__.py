"""Every layer; importing this makes them known to :func:`bpcli.network.layer.make_layer`."""

from __future__ import annotations

from bpcli.network.layers.activations import (
    Elu,
    Exponential,
    Gelu,
    Identity,
    LeakyRelu,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from bpcli.network.layers.dense import Dense
from bpcli.network.layers.dropout import Dropout
from bpcli.network.layers.flatten import Flatten
from bpcli.network.layers.normalization import BatchNorm, LayerNorm, RmsNorm
from bpcli.network.layers.residual import Residual

__all__ = [
    "BatchNorm", "Dense", "Dropout", "Elu", "Exponential", "Flatten", "Gelu", "Identity",
    "LayerNorm", "LeakyRelu", "Relu", "Residual", "RmsNorm", "Selu", "Sigmoid", "Silu",
    "Softmax", "Softplus", "Tanh",
]  # fmt: skip
