"""Every backward pass against complex-step derivatives, in both modes, for several shapes."""

from __future__ import annotations

import numpy as np
import pytest

import bpcli
from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.initializers import Normal
from bpcli.spec.optimization import LOSSES, CrossEntropy, Loss, MeanSquaredError

from .numerical import agree, check, complex_step, randomize

ACTIVATIONS = {
    "identity": spec.Identity(),
    "relu": spec.Relu(),
    "leaky_relu": spec.LeakyRelu(),
    "leaky_relu, steep": spec.LeakyRelu(slope=-1.5),
    "elu": spec.Elu(),
    "elu, alpha": spec.Elu(alpha=0.3),
    "selu": spec.Selu(),
    "gelu": spec.Gelu(),
    "gelu, tanh": spec.Gelu(approximate="tanh"),
    "silu": spec.Silu(),
    "tanh": spec.Tanh(),
    "sigmoid": spec.Sigmoid(),
    "softplus": spec.Softplus(),
    "exponential": spec.Exponential(),
    "softmax": spec.Softmax(),
}
LAYERS = {
    **ACTIVATIONS,
    "dense": spec.Dense(3),
    "dense, no bias": spec.Dense(3, bias=False),
    "dense, frozen": spec.Dense(3, bias=Normal(0.5), freeze=("weight",)),
    "dropout": spec.Dropout(0.5),
    "dropout, 16 bits": spec.Dropout(0.3),
    "flatten": spec.Flatten(),
    "batch_norm": spec.BatchNorm(),
    "batch_norm, epsilon": spec.BatchNorm(epsilon=0.1),
    "layer_norm": spec.LayerNorm(),
    "rms_norm": spec.RmsNorm(epsilon=0.1),
    "residual": spec.Residual((spec.Dense(4), spec.Tanh())),
    "residual, projection": spec.Residual((spec.Dense(3), spec.Silu()), projection=True),
    "residual of nothing": spec.Residual((spec.Identity(),)),
}
SHAPES = {"rows": (5, 4), "one row": (1, 4), "sequences": (2, 3, 4)}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_layer(layer: spec.LayerOptions, shape: tuple[int, ...], training: bool) -> None:
    if layer.name == "batch_norm" and shape == SHAPES["one row"] and training:
        pytest.skip("refused: one value has no variance")
    random = np.random.default_rng(1)
    network = Network([layer], MeanSquaredError(), shape[1:], dtype="float64")
    randomize(network, random)
    inputs = random.normal(0, 1.5, shape)
    targets = random.normal(0, 1, network.forward(inputs).shape)
    check(network, inputs, targets, training)


DEEP = (
    spec.Dense(4, freeze=("bias",)),
    spec.BatchNorm(freeze=("scale",)),
    spec.Gelu(),
    spec.Residual(
        (
            spec.LayerNorm(),
            spec.Residual((spec.Dense(5), spec.Silu(), spec.Dense(3)), projection=True),
            spec.Dropout(0.25),
            spec.Dense(4, freeze=("weight",)),
        )
    ),
    spec.Repeat(2, (spec.Dense(4), spec.RmsNorm(), spec.LeakyRelu())),
    spec.Residual((spec.BatchNorm(), spec.Softplus(), spec.Dropout(0.4)), label="last_block"),
    spec.Dense(3),
)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", [(4, 3), (2, 2, 3)], ids=["rows", "sequences"])
def test_a_deep_network_with_weight_decay(shape: tuple[int, ...], training: bool) -> None:
    random = np.random.default_rng(2)
    network = Network(DEEP, CrossEntropy(), shape[1:], dtype="float64", l2=0.3)
    randomize(network, random)
    inputs, targets = random.normal(0, 1, shape), random.integers(0, 3, shape[:-1])
    check(network, inputs, targets, training)


class Scale(bpcli.Layer):
    """A layer as a user writes one."""

    name = "scale_of_a_user"
    start: float = 1.0

    def parameters(self, input_shape):
        return {"scale": (input_shape[-1:], {"constant": self.start})}

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, inputs, parameters, *, training, random):
        return inputs * parameters["scale"], inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["scale"][...] = (output_gradient * cache).sum(axis=0)
        return output_gradient * parameters["scale"]


def test_a_layer_of_the_users_own() -> None:
    random = np.random.default_rng(3)
    layers = [spec.Dense(4), Scale(2.5), spec.Tanh(), Scale()]
    network = Network(layers, MeanSquaredError(), (3,), dtype="float64")
    assert network.parameters["scale_of_a_user_1.scale"].tolist() == [2.5] * 4
    assert network.parameters["scale_of_a_user_2.scale"].tolist() == [1] * 4
    randomize(network, random)
    check(network, random.normal(0, 1, (5, 3)), random.normal(0, 1, (5, 4)), True)


@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 4, 3)], ids=["rows", "row", "sequences"])
@pytest.mark.parametrize("options", [kind() for kind in LOSSES.values()], ids=list(LOSSES))
def test_a_loss(options: Loss, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(4)
    outputs = random.normal(0, 2, shape)
    targets = {
        "cross_entropy": random.integers(0, shape[-1], shape[:-1]),
        "binary_cross_entropy": random.uniform(0, 1, shape).round(1),
    }.get(options.name, random.normal(0, 1, shape))
    loss = Network([spec.Identity()], options, shape[1:]).loss
    _, cache = loss.forward(outputs, targets)
    numeric = complex_step(lambda y: loss.forward(y, targets)[0], outputs)
    assert agree(loss.backward(cache), numeric)
