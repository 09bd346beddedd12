"""Correct networks of all kinds, drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

from bpcli.network import Network
from bpcli.network.layer import Array
from bpcli.spec import initializers as init
from bpcli.spec import layers as spec
from bpcli.spec.layers import LayerOptions
from bpcli.spec.optimization import LOSSES

EXAMPLES, SYMBOLS = 16, 7
ACTIVATIONS = (
    spec.Relu, spec.LeakyRelu, spec.Elu, spec.Selu, spec.Gelu, spec.Silu, spec.Tanh, spec.Sigmoid,
    spec.Softplus, spec.Softmax, spec.Identity, spec.Exponential,
)  # fmt: skip
INITS: tuple[Any, ...] = (
    init.GlorotUniform(), init.HeNormal(), init.LecunNormal(), init.Zeros(), init.Normal(0.01),
    init.Normal(1.0), init.Orthogonal(),
)  # fmt: skip


def random_network(seed: int) -> tuple[Network, Array, Array]:
    """A network with examples for it."""
    random = np.random.default_rng([seed, 1])
    kind = str(random.choice(["rows", "sequence", "image", "codes"]))
    layers, inputs, targets_shape = _TRUNKS[kind](random)
    loss = LOSSES[str(random.choice(list(LOSSES)))]()
    outputs = int(random.integers(1 if loss.name != "cross_entropy" else 2, 5))
    layers.append(spec.Dense(outputs, init=_init(random)))
    shape = (EXAMPLES, *targets_shape)
    targets: Any = random.standard_normal((*shape, outputs))
    if loss.name == "cross_entropy":
        targets = random.integers(0, outputs, shape)
    elif loss.name == "binary_cross_entropy":
        targets = random.integers(0, 2, (*shape, outputs)).astype(np.float32)
    network = Network(
        layers, loss, inputs.shape[1:],
        dtype=str(random.choice(["float32", "float64"])),
        seed=seed,
        l2=float(random.choice([0.0, 0.01])),
    )  # fmt: skip
    return network, inputs, targets


def _rows(random: Generator) -> tuple[list[LayerOptions], Array, tuple[int, ...]]:
    layers: list[LayerOptions] = []
    for _ in range(random.integers(1, 6)):
        layers += _block(random)
    scale = float(random.choice([0.1, 1.0, 10.0]))
    return layers, _numbers(random, (int(random.integers(1, 9)),), scale), ()


def _sequence(random: Generator) -> tuple[list[LayerOptions], Array, tuple[int, ...]]:
    time = int(random.integers(4, 9))
    layers, shape = _over_time(random, time)
    return layers, _numbers(random, (time, int(random.integers(1, 5)))), shape


def _codes(random: Generator) -> tuple[list[LayerOptions], Array, tuple[int, ...]]:
    time = int(random.integers(4, 9))
    layers, shape = _over_time(random, time)
    first: list[LayerOptions] = [spec.Embedding(int(random.integers(2, 7)), vocabulary=SYMBOLS)]
    if random.random() < 0.5:
        first.append(spec.Position(str(random.choice(["learned", "sinusoidal"]))))
    return [*first, *layers], random.integers(0, SYMBOLS, (EXAMPLES, time)), shape


def _over_time(random: Generator, time: int) -> tuple[list[LayerOptions], tuple[int, ...]]:
    layers: list[LayerOptions] = []
    for _ in range(random.integers(1, 3)):
        layers += _pick(random, (
            lambda: [spec.Rnn(_units(random), activation=str(random.choice(["tanh", "relu"])))],
            lambda: [spec.Lstm(_units(random))],
            lambda: [spec.Gru(_units(random))],
            lambda: [spec.Conv1d(_units(random), kernel=int(random.integers(1, 4)))],
            lambda: [spec.Dense(4), spec.Attention(2, causal=bool(random.integers(2)),
                                                   dropout=float(random.choice([0, 0.25])))],
            lambda: [spec.Dense(4), spec.Residual((spec.LayerNorm(), spec.Attention(2)))],
            lambda: [spec.MaxPool1d(3, stride=1, padding="same")],
            lambda: _block(random),
        ))  # fmt: skip
    end = _pick(random, (
        lambda: [spec.Lstm(_units(random), returns="last")],
        lambda: [spec.GlobalAvgPool1d()],
        lambda: [spec.AvgPool1d(2), spec.Flatten()],
        lambda: [],
    ))  # fmt: skip
    return [*layers, *end], () if end else (time,)


def _image(random: Generator) -> tuple[list[LayerOptions], Array, tuple[int, ...]]:
    size = int(random.integers(5, 9))  # two strides leave what a pool of 2 takes
    layers: list[LayerOptions] = []
    for _ in range(random.integers(1, 3)):
        layers.append(spec.Conv2d(
            int(random.integers(1, 4)), kernel=int(random.integers(1, 4)),
            stride=int(random.integers(1, 3)), padding="same", init=_init(random),
        ))  # fmt: skip
        layers += _activation(random)
        if random.random() < 0.3:
            layers.append(spec.BatchNorm())
    layers += _pick(random, (
        lambda: [spec.MaxPool2d(2, stride=1, padding="same"), spec.Flatten()],
        lambda: [spec.AvgPool2d(2, padding="same"), spec.Flatten()],
        lambda: [spec.GlobalAvgPool2d()],
        lambda: [spec.Flatten()],
    ))  # fmt: skip
    inputs = _numbers(random, (size, size, int(random.integers(1, 3))))
    inputs[random.random(inputs.shape) < 0.3] = 0  # a background
    return layers, inputs, ()


def _block(random: Generator) -> list[LayerOptions]:
    return _pick(random, (
        lambda: [spec.Dense(_units(random), init=_init(random)), *_activation(random)],
        lambda: [spec.Dense(_units(random), bias=False), *_activation(random)],
        lambda: [spec.Dense(_units(random)), spec.BatchNorm(), *_activation(random)],
        lambda: [spec.LayerNorm(epsilon=0.01), *_activation(random)],
        lambda: [spec.Dense(_units(random)), spec.RmsNorm()],
        lambda: [*_activation(random), spec.Dropout(float(random.choice([0.3, 0.5])))],
        lambda: [spec.Dense(4), spec.Residual((spec.Dense(4), *_activation(random)))],
        lambda: [spec.Residual((spec.Dense(3), spec.Tanh()), projection=True)],
    ))  # fmt: skip


def _activation(random: Generator) -> list[LayerOptions]:
    return [ACTIVATIONS[int(random.integers(len(ACTIVATIONS)))]()]


def _units(random: Generator) -> int:
    return int(random.integers(1, 9))


def _init(random: Generator) -> Any:
    return INITS[int(random.integers(len(INITS)))]


def _numbers(random: Generator, shape: tuple[int, ...], scale: float = 1.0) -> Array:
    return scale * random.standard_normal((EXAMPLES, *shape))


def _pick(random: Generator, choices: tuple[Any, ...]) -> list[LayerOptions]:
    chosen: list[LayerOptions] = choices[int(random.integers(len(choices)))]()
    return chosen


_TRUNKS = {"rows": _rows, "sequence": _sequence, "image": _image, "codes": _codes}
