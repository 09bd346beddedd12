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
from bpcli.network.layers.attention import Attention
from bpcli.network.layers.convolution import Conv1d, Conv2d
from bpcli.network.layers.dense import Dense
from bpcli.network.layers.dropout import Dropout
from bpcli.network.layers.embedding import Embedding
from bpcli.network.layers.flatten import Flatten
from bpcli.network.layers.gru import Gru
from bpcli.network.layers.lstm import Lstm
from bpcli.network.layers.normalization import BatchNorm, LayerNorm, RmsNorm
from bpcli.network.layers.pooling import (
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
)
from bpcli.network.layers.position import Position
from bpcli.network.layers.residual import Residual
from bpcli.network.layers.rnn import Rnn

__all__ = [
    "Attention", "AvgPool1d", "AvgPool2d", "BatchNorm", "Conv1d", "Conv2d", "Dense", "Dropout",
    "Elu", "Embedding", "Exponential", "Flatten", "Gelu", "GlobalAvgPool1d", "GlobalAvgPool2d",
    "Gru", "Identity", "LayerNorm", "LeakyRelu", "Lstm", "MaxPool1d", "MaxPool2d", "Position",
    "Relu", "Residual", "RmsNorm", "Rnn", "Selu", "Sigmoid", "Silu", "Softmax", "Softplus", "Tanh",
]  # fmt: skip
