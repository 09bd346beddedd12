"""Every layer and every loss passes, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bpcli.gradcheck import Result, check
from bpcli.network import Network
from bpcli.network.layer import Array
from bpcli.spec import layers as spec
from bpcli.spec.layers import LAYERS, LayerOptions
from bpcli.spec.optimization import LOSSES, MeanSquaredError

EXAMPLES, SYMBOLS = 16, 7
MOST, USUAL = 1e-9, 1e-12  # relative errors: of any layer, of most

ROWS, SEQUENCE, IMAGE, CODES = (6,), (7, 4), (6, 6, 2), ()
CASES: dict[str, tuple[LayerOptions, tuple[int, ...]]] = {
    **{
        name: (LAYERS[name](), ROWS)
        for name in (
            "identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid",
            "softplus", "exponential", "softmax", "dropout", "batch_norm", "layer_norm", "rms_norm",
        )
    },
    "gelu, tanh": (spec.Gelu(approximate="tanh"), ROWS),
    "dense": (spec.Dense(5), ROWS),
    "dense, sequence": (spec.Dense(5), SEQUENCE),
    "dense, no bias": (spec.Dense(5, bias=False), ROWS),
    "residual": (spec.Residual((spec.LayerNorm(), spec.Dense(6), spec.Dropout(0.25))), ROWS),
    "residual, projection": (
        spec.Residual((spec.Dense(4), spec.Residual((spec.Dense(4), spec.BatchNorm()))), True),
        ROWS,
    ),
    "repeat": (spec.Repeat(2, (spec.Dense(4), spec.Tanh())), ROWS),
    "flatten": (spec.Flatten(), IMAGE),
    "batch_norm, image": (spec.BatchNorm(), IMAGE),
    "conv1d": (spec.Conv1d(3), SEQUENCE),
    "conv1d, stride": (spec.Conv1d(3, kernel=2, stride=2, padding="valid"), SEQUENCE),
    "conv2d": (spec.Conv2d(3), IMAGE),
    "conv2d, stride": (spec.Conv2d(3, kernel=(2, 3), stride=2), IMAGE),
    "max_pool1d": (spec.MaxPool1d(3, stride=1), SEQUENCE),
    "max_pool2d": (spec.MaxPool2d(2), IMAGE),
    "max_pool2d, overlapping": (spec.MaxPool2d(3, stride=1, padding="same"), IMAGE),
    "avg_pool1d": (spec.AvgPool1d(3, stride=2, padding="same"), SEQUENCE),
    "avg_pool2d": (spec.AvgPool2d(2), IMAGE),
    "global_avg_pool1d": (spec.GlobalAvgPool1d(), SEQUENCE),
    "global_avg_pool2d": (spec.GlobalAvgPool2d(), IMAGE),
    "embedding": (spec.Embedding(4, vocabulary=SYMBOLS), CODES),
    "position": (spec.Position(), SEQUENCE),
    "position, sinusoidal": (spec.Position("sinusoidal"), SEQUENCE),
    "rnn": (spec.Rnn(4), SEQUENCE),
    "rnn, relu": (spec.Rnn(4, activation="relu"), SEQUENCE),
    "lstm": (spec.Lstm(3), SEQUENCE),
    "lstm, last": (spec.Lstm(3, returns="last"), SEQUENCE),
    "gru": (spec.Gru(3), SEQUENCE),
    "attention": (spec.Attention(2), SEQUENCE),
    "attention, causal": (spec.Attention(2, causal=True, dropout=0.25), SEQUENCE),
}  # fmt: skip


def examples(shape: tuple[int, ...]) -> Array:
    random = np.random.default_rng(1)
    if shape == CODES:
        return random.integers(0, SYMBOLS, (EXAMPLES, 5))
    inputs: Array = np.asarray(random.standard_normal((EXAMPLES, *shape)))
    return inputs


def checked(layer: LayerOptions, shape: tuple[int, ...], method: Any = "complex") -> Result:
    inputs = examples(shape)
    layers = (layer, spec.Flatten(), spec.Dense(3))
    network = Network(layers, MeanSquaredError(), inputs.shape[1:], seed=2)
    targets = np.random.default_rng(2).standard_normal((EXAMPLES, 3))
    return check(network, inputs, targets, method=method)


def test_every_layer_is_here() -> None:
    assert {layer.name for layer, _ in CASES.values()} >= set(LAYERS)


@pytest.mark.parametrize(("layer", "shape"), CASES.values(), ids=CASES)
def test_a_layer_passes(layer: LayerOptions, shape: tuple[int, ...]) -> None:
    result = checked(layer, shape)
    assert result.verdict == "pass"
    assert result.notes == ()
    assert result.max_relative_error <= MOST
    assert result.every_element


def test_most_layers_pass_by_far() -> None:
    errors = [checked(*case).max_relative_error for case in CASES.values()]
    assert sum(error <= USUAL for error in errors) > 0.8 * len(errors)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_passes(name: str) -> None:
    random = np.random.default_rng(3)
    targets: Any = {
        "cross_entropy": random.integers(0, 3, EXAMPLES),
        "binary_cross_entropy": random.integers(0, 2, (EXAMPLES, 3)).astype(float),
    }.get(name, random.standard_normal((EXAMPLES, 3)))
    network = Network((spec.Dense(4), spec.Tanh(), spec.Dense(3)), LOSSES[name](), ROWS)
    result = check(network, examples(ROWS), targets)
    assert result.verdict == "pass"
    assert result.max_relative_error <= USUAL


@pytest.mark.parametrize("name", ["dense", "tanh", "relu", "lstm", "max_pool2d", "batch_norm"])
def test_central_differences_agree(name: str) -> None:
    result = checked(*CASES[name], method="central")
    assert result.verdict == "pass"
    assert result.max_relative_error <= 1e-6
