"""The backward passes of the layers that read sequences, against complex-step derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.initializers import Normal
from bpcli.spec.optimization import CrossEntropy, MeanSquaredError

from .numerical import check, randomize

LAYERS = {
    "rnn": spec.Rnn(3),
    "rnn, last": spec.Rnn(3, "last"),
    "rnn, relu": spec.Rnn(3, activation="relu"),
    "rnn, no bias": spec.Rnn(3, bias=False),
    "lstm": spec.Lstm(3),
    "lstm, last": spec.Lstm(2, "last"),
    "lstm, no bias": spec.Lstm(3, bias=False, freeze=("weight",)),
    "gru": spec.Gru(3),
    "gru, last": spec.Gru(2, "last", bias=Normal(1.0)),
    "gru, no bias": spec.Gru(3, bias=False),
    "attention": spec.Attention(2),
    "attention, causal": spec.Attention(2, causal=True),
    "attention, one head, no bias": spec.Attention(1, bias=False),
    "attention, dropout": spec.Attention(2, causal=True, dropout=0.4),
    "position": spec.Position(),
    "position, sinusoidal": spec.Position("sinusoidal"),
    "embedding": spec.Embedding(3, vocabulary=7),
}
SHAPES = {"several": (3, 5, 4), "one example": (1, 6, 4), "one step": (3, 1, 4), "odd": (2, 4, 6)}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_layer(layer: spec.LayerOptions, shape: tuple[int, ...], training: bool) -> None:
    random = np.random.default_rng(1)
    if layer.name == "embedding":
        shape = shape[:-1]
        inputs = random.integers(0, 7, shape)
    else:
        inputs = random.normal(0, 1.5, shape)
    network = Network([layer], MeanSquaredError(), shape[1:], dtype="float64")
    randomize(network, random)
    targets = random.normal(0, 1, network.forward(inputs).shape)
    check(network, inputs, targets, training)


TRANSFORMER = (
    spec.Embedding(4, vocabulary=6),
    spec.Position(),
    spec.Repeat(
        2,
        (
            spec.Residual((spec.LayerNorm(), spec.Attention(2, causal=True, dropout=0.25))),
            spec.Residual((spec.LayerNorm(), spec.Dense(6), spec.Gelu(), spec.Dense(4))),
        ),
    ),
    spec.LayerNorm(),
    spec.Dense(6),
)
STACKED = (
    spec.Embedding(4, vocabulary=6),
    spec.Lstm(3),
    spec.Gru(4),
    spec.Dropout(0.25),
    spec.Rnn(3),
    spec.Dense(6),
)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("layers", [TRANSFORMER, STACKED], ids=["transformer", "recurrent"])
def test_a_network_with_weight_decay(layers: tuple[spec.LayerOptions, ...], training: bool) -> None:
    random = np.random.default_rng(2)
    network = Network(layers, CrossEntropy(), (5,), dtype="float64", l2=0.3)
    randomize(network, random)
    inputs, targets = random.integers(0, 6, (3, 5)), random.integers(0, 6, (3, 5))
    check(network, inputs, targets, training)
