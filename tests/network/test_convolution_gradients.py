"""The backward passes of convolution and pooling, against complex-step derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.initializers import Normal
from bpcli.spec.optimization import CrossEntropy, MeanSquaredError

from .numerical import check, randomize

IMAGES = {
    "conv2d": spec.Conv2d(2),
    "conv2d, valid": spec.Conv2d(2, padding="valid"),
    "conv2d, stride": spec.Conv2d(2, stride=2),
    "conv2d, uneven": spec.Conv2d(2, kernel=(2, 4), stride=(3, 1)),
    "conv2d, uneven, valid": spec.Conv2d(2, kernel=(4, 1), stride=(1, 2), padding="valid"),
    "conv2d, gaps": spec.Conv2d(2, kernel=1, stride=(2, 3), bias=False),
    "conv2d, wide": spec.Conv2d(1, kernel=(4, 5), stride=2, bias=Normal(1.0)),
    "max_pool2d": spec.MaxPool2d(2),
    "max_pool2d, overlapping": spec.MaxPool2d(3, stride=2),
    "max_pool2d, same": spec.MaxPool2d(3, stride=1, padding="same"),
    "max_pool2d, uneven": spec.MaxPool2d((1, 3), stride=(3, 2), padding="same"),
    "avg_pool2d": spec.AvgPool2d(2),
    "avg_pool2d, overlapping": spec.AvgPool2d(3, stride=2),
    "avg_pool2d, same": spec.AvgPool2d(3, stride=2, padding="same"),
    "avg_pool2d, uneven": spec.AvgPool2d((4, 2), stride=(1, 3), padding="same"),
    "global_avg_pool2d": spec.GlobalAvgPool2d(),
    "batch_norm": spec.BatchNorm(),
}
SEQUENCES = {
    "conv1d": spec.Conv1d(2),
    "conv1d, valid": spec.Conv1d(3, kernel=2, padding="valid"),
    "conv1d, stride": spec.Conv1d(2, kernel=4, stride=3, freeze=("bias",)),
    "conv1d, gaps": spec.Conv1d(2, kernel=2, stride=3, padding="valid"),
    "max_pool1d": spec.MaxPool1d(2),
    "max_pool1d, overlapping": spec.MaxPool1d(4, stride=1),
    "max_pool1d, same": spec.MaxPool1d(4, stride=3, padding="same"),
    "avg_pool1d": spec.AvgPool1d(3),
    "avg_pool1d, same": spec.AvgPool1d(4, stride=2, padding="same"),
    "global_avg_pool1d": spec.GlobalAvgPool1d(),
    "batch_norm": spec.BatchNorm(),
}
LAYERS = {**IMAGES, **SEQUENCES}
IMAGE_SHAPES = {"several": (2, 5, 6, 2), "one grey image": (1, 4, 7, 1), "colours": (2, 6, 5, 3)}
SEQUENCE_SHAPES = {"several": (3, 7, 2), "one sequence": (1, 8, 1), "features": (2, 6, 9)}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", IMAGE_SHAPES.values(), ids=IMAGE_SHAPES)
@pytest.mark.parametrize("layer", IMAGES.values(), ids=IMAGES)
def test_on_images(layer: spec.LayerOptions, shape: tuple[int, ...], training: bool) -> None:
    check_layer(layer, shape, training)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", SEQUENCE_SHAPES.values(), ids=SEQUENCE_SHAPES)
@pytest.mark.parametrize("layer", SEQUENCES.values(), ids=SEQUENCES)
def test_on_sequences(layer: spec.LayerOptions, shape: tuple[int, ...], training: bool) -> None:
    check_layer(layer, shape, training)


def check_layer(layer: spec.LayerOptions, shape: tuple[int, ...], training: bool) -> None:
    random = np.random.default_rng(1)
    network = Network([layer], MeanSquaredError(), shape[1:], dtype="float64")
    randomize(network, random)
    inputs = random.normal(0, 1.5, shape)
    targets = random.normal(0, 1, network.forward(inputs).shape)
    check(network, inputs, targets, training)


def test_ties_have_the_derivative_that_the_complex_step_gives_the_first_of_them() -> None:
    """Background pixels tie, so a check of a network on images meets ties all the time."""
    layer = spec.MaxPool2d(3, stride=2, padding="same")
    network = Network([layer], MeanSquaredError(), (5, 5, 1), dtype="float64")
    inputs = np.random.default_rng(5).integers(0, 2, (3, 5, 5, 1)).astype(float)
    check(network, inputs, np.full((3, 3, 3, 1), 0.3), True)


RESNET: tuple[Any, ...] = (
    spec.Conv2d(3, stride=2),
    spec.Residual((spec.BatchNorm(), spec.Relu(), spec.Conv2d(3, kernel=(1, 3)))),
    spec.MaxPool2d(2, stride=1, padding="same"),
    spec.Residual((spec.Conv2d(4, kernel=2), spec.Silu()), projection=True),
    spec.AvgPool2d(2),
    spec.Conv2d(2, kernel=1, padding="valid", freeze=("weight",)),
)
CNN_1D: tuple[Any, ...] = (
    spec.Conv1d(3, kernel=5, stride=2),
    spec.BatchNorm(),
    spec.Tanh(),
    spec.MaxPool1d(3, stride=2, padding="same"),
    spec.Lstm(3),
    spec.Conv1d(2),
)
HEADS: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {
    "flatten": ((*RESNET, spec.Flatten(), spec.Dense(3)), (7, 6, 2)),
    "global": ((*RESNET, spec.GlobalAvgPool2d(), spec.Dense(3)), (7, 6, 2)),
    "sequence": ((*CNN_1D, spec.GlobalAvgPool1d(), spec.Dense(3)), (11, 2)),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("layers", "shape"), HEADS.values(), ids=HEADS)
def test_a_network(layers: tuple[Any, ...], shape: tuple[int, ...], training: bool) -> None:
    random = np.random.default_rng(2)
    network = Network(layers, CrossEntropy(), shape, dtype="float64", l2=0.2)
    randomize(network, random)
    check(network, random.normal(0, 1, (3, *shape)), random.integers(0, 3, 3), training)
