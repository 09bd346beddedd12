"""What convolution and pooling promise of their values, their gradients and their memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.network import LayerError, Network, threads
from bpcli.spec import layers as spec
from bpcli.spec.optimization import MeanSquaredError

from .numerical import Array

SEEDS = st.integers(0, 10**6)
SIZES = st.integers(1, 4)
PADDINGS = st.sampled_from(["same", "valid"])
EVERY: dict[str, tuple[spec.LayerOptions, tuple[int, ...]]] = {
    "conv1d": (spec.Conv1d(3, stride=2), (9, 2)),
    "conv2d": (spec.Conv2d(3), (6, 5, 2)),
    "conv2d, stride": (spec.Conv2d(3, kernel=4, stride=(2, 3)), (6, 7, 1)),
    "max_pool1d": (spec.MaxPool1d(3, stride=2), (9, 2)),
    "max_pool2d": (spec.MaxPool2d(2), (5, 6, 3)),
    "avg_pool1d": (spec.AvgPool1d(2), (8, 2)),
    "avg_pool2d": (spec.AvgPool2d(3, stride=1, padding="same"), (5, 5, 2)),
    "global_avg_pool1d": (spec.GlobalAvgPool1d(), (8, 2)),
    "global_avg_pool2d": (spec.GlobalAvgPool2d(), (5, 6, 3)),
}
every = pytest.mark.parametrize(("layer", "shape"), EVERY.values(), ids=EVERY)


def build(layer: spec.LayerOptions, shape: tuple[int, ...], dtype: str = "float64") -> Network:
    network = Network([layer], MeanSquaredError(), shape, dtype=dtype)
    network.keep_input_gradient(True)
    return network


# -- convolution


@given(SIZES, st.integers(1, 3), PADDINGS, SEEDS)
def test_convolution_is_linear(kernel: int, stride: int, padding: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    network = build(spec.Conv2d(2, kernel, stride, padding, bias=False), (6, 5, 2))
    x, y = random.normal(size=(2, 3, 6, 5, 2))
    a, b = random.normal(size=2)
    separate = a * network.predict(x) + b * network.predict(y)
    np.testing.assert_allclose(network.predict(a * x + b * y), separate, atol=1e-12)


@given(SIZES, st.integers(1, 3), st.integers(0, 3), SEEDS)
def test_convolution_moves_with_its_input(kernel: int, stride: int, moves: int, seed: int) -> None:
    """Shifted by whole strides, away from the borders."""
    random = np.random.default_rng(seed)
    network = build(spec.Conv1d(3, kernel, stride, "valid"), (24, 2))
    x = random.normal(size=(2, 24, 2))
    shifted = np.roll(x, moves * stride, axis=1)
    before, after = network.predict(x), network.predict(shifted)
    np.testing.assert_allclose(after[:, moves:], before[:, : before.shape[1] - moves], atol=1e-12)


@given(SIZES, st.integers(1, 3), PADDINGS, SEEDS)
def test_its_backward_pass_is_its_transpose(
    kernel: int, stride: int, padding: str, seed: int
) -> None:
    """<conv(x), δ> = <x, ∂L/∂x(δ)>, and the same by the weight."""
    random = np.random.default_rng(seed)
    network = build(spec.Conv2d(2, kernel, stride, padding, bias=False), (7, 4, 3))
    x = random.normal(size=(2, 7, 4, 3))
    z = network.forward(x).copy()
    delta = random.normal(size=z.shape)
    gradient = network.backward(delta)
    weight = network.parameters.vector
    assert gradient is not None
    product = np.vdot(z, delta)
    np.testing.assert_allclose(np.vdot(x, gradient), product, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(weight @ network.gradients.vector, product, rtol=1e-9, atol=1e-9)


def test_a_kernel_of_one_is_a_dense_layer_at_every_place() -> None:
    random = np.random.default_rng(0)
    convolution = build(spec.Conv2d(4, kernel=1), (5, 3, 2))
    dense = build(spec.Dense(4), (5, 3, 2))
    convolution.parameters.vector[...] = random.normal(size=12)
    dense.parameters.vector[...] = convolution.parameters.vector
    x, delta = random.normal(size=(2, 5, 3, 2)), random.normal(size=(2, 5, 3, 4))
    np.testing.assert_allclose(convolution.forward(x), dense.forward(x), rtol=1e-12)
    np.testing.assert_allclose(convolution.backward(delta), dense.backward(delta), rtol=1e-12)
    ours, theirs = convolution.gradients.vector, dense.gradients.vector
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# -- pooling


@given(st.sampled_from([spec.MaxPool2d, spec.AvgPool2d]), SIZES, st.integers(1, 4), PADDINGS)
def test_pooling_of_a_constant_is_the_constant(
    kind: Any, size: int, stride: int, padding: str
) -> None:
    network = build(kind((size, 2), stride, padding), (7, 5, 2))
    np.testing.assert_allclose(network.predict(np.full((2, 7, 5, 2), -1.7)), -1.7, rtol=1e-14)


@given(st.sampled_from([spec.MaxPool1d, spec.AvgPool1d]), SIZES, st.integers(1, 4), PADDINGS, SEEDS)
def test_pooling_loses_none_of_the_gradient(
    kind: Any, size: int, stride: int, padding: str, seed: int
) -> None:
    """Also where values tie: every window hands on all of its δ, once."""
    random = np.random.default_rng(seed)
    network = build(kind(size, stride, padding), (9, 3))
    y = network.forward(random.integers(0, 3, (2, 9, 3)).astype(float))
    delta = random.normal(size=y.shape)
    gradient = network.backward(delta)
    assert gradient is not None
    np.testing.assert_allclose(gradient.sum(axis=1), delta.sum(axis=1), atol=1e-12)


@given(SIZES, st.integers(1, 4), PADDINGS, SEEDS)
def test_the_gradient_goes_to_maxima(size: int, stride: int, padding: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    network = build(spec.MaxPool2d(size, stride, padding), (6, 7, 1))
    x = random.integers(0, 3, (2, 6, 7, 1)).astype(float)
    y = network.forward(x).copy()
    gradient = network.backward(np.ones_like(y))
    assert gradient is not None
    for place in np.argwhere(gradient):
        assert x[tuple(place)] in y[place[0]]


def test_of_equal_maxima_the_first_gets_everything() -> None:
    network = build(spec.MaxPool2d(3), (3, 6, 1))
    network.forward(np.zeros((1, 3, 6, 1)))
    gradient = network.backward(np.array([5.0, 7.0]).reshape(1, 1, 2, 1))
    assert gradient is not None
    expected = np.zeros((3, 6))
    expected[0, [0, 3]] = 5, 7
    assert np.array_equal(gradient[0, :, :, 0], expected)


def test_not_a_number_is_passed_on() -> None:
    network = build(spec.MaxPool2d(2, stride=1, padding="same"), (3, 3, 1))
    x = np.ones((1, 3, 3, 1))
    x[0, 1, 1] = np.nan
    assert np.isnan(network.predict(x)).sum() == 4


# -- all of them


@every
def test_backward_may_run_twice_and_changes_nothing_else(
    layer: spec.LayerOptions, shape: tuple[int, ...]
) -> None:
    random = np.random.default_rng(0)
    network = build(layer, shape)
    x = random.normal(size=(3, *shape))
    y = network.forward(x)
    delta = random.normal(size=y.shape)
    kept = x.copy(), y.copy(), delta.copy()
    first = network.backward(delta)
    assert first is not None
    again = first.copy(), network.gradients.vector.copy()
    second = network.backward(delta)
    assert all(map(np.array_equal, (x, y, delta), kept))
    assert all(map(np.array_equal, (second, network.gradients.vector), again))


@every
def test_float32_stays_float32(layer: spec.LayerOptions, shape: tuple[int, ...]) -> None:
    network = build(layer, shape, "float32")
    y = network.forward(np.ones((2, *shape), np.float32))
    assert y.dtype == np.float32
    gradient = network.backward(np.ones_like(y))
    assert gradient is not None
    assert gradient.dtype == np.float32


@every
def test_memory_is_used_again(layer: spec.LayerOptions, shape: tuple[int, ...]) -> None:
    network = build(layer, shape)
    x = np.ones((2, *shape))
    outputs = network.forward(x)
    gradient = network.backward(outputs.copy())
    assert network.forward(x) is outputs
    assert network.backward(outputs.copy()) is gradient


@every
def test_batches_of_any_size_give_each_example_the_same(
    layer: spec.LayerOptions, shape: tuple[int, ...]
) -> None:
    network = build(layer, shape)
    x = np.random.default_rng(0).normal(size=(7, *shape))
    together = network.predict(x)
    for count in (1, 3):
        np.testing.assert_allclose(network.predict(x[:count]), together[:count], rtol=1e-12)


def test_patches_of_many_lengths_are_not_all_kept() -> None:
    """A layer may read sequences of any length, one after the other."""
    network = build(spec.Conv1d(2), (4, 1))
    (layer,), views = (node.layer for node in network.nodes), network._views["conv1d_1"]
    x = np.random.default_rng(0).normal(size=(3, 40, 1))
    whole = layer.forward(x, views, training=False, random=None)[0].copy()
    for length in range(3, 40):
        found, _ = layer.forward(x[:, :length], views, training=False, random=None)
        np.testing.assert_allclose(found[:, :-1], whole[:, : length - 1], rtol=1e-12)
        assert len(layer._made) <= 16


def test_the_first_layer_sends_nothing_back() -> None:
    network = Network([spec.Conv2d(2), spec.Relu()], MeanSquaredError(), (4, 4, 1))
    y = network.forward(np.ones((2, 4, 4, 1), np.float32))
    assert network.backward(np.ones_like(y)) is None
    assert network.gradients.vector.any()


NETWORK = (
    spec.Conv2d(8), spec.Relu(), spec.MaxPool2d(2), spec.Conv2d(16, stride=2), spec.Relu(),
    spec.AvgPool2d(2), spec.Flatten(), spec.Dense(3),
)  # fmt: skip


def values(network: Network, x: Array) -> tuple[Array, Array]:
    y = network.forward(x).copy()
    network.backward(np.ones_like(y))
    return y, network.gradients.vector.copy()


@pytest.fixture
def blas_as_before() -> Iterator[None]:
    """For the next test: BLAS gets back as many threads as the network was told there are."""
    blas = threads._blas()
    before = blas.threads() if blas else 1
    yield
    if blas:
        blas.limit(before)


@pytest.mark.usefixtures("blas_as_before")
@pytest.mark.parametrize("stride", [1, 2])
def test_threads_change_only_the_rounding_and_repeat_themselves(
    monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    x = np.random.default_rng(0).normal(size=(33, 28, 28, 3)).astype(np.float32)
    layers = [*NETWORK[:3], spec.Conv2d(16, stride=stride), *NETWORK[4:]]
    network = Network(layers, MeanSquaredError(), (28, 28, 3))
    found = {}
    for number in (1, 2, 3):
        monkeypatch.setattr(threads, "_threads", lambda number=number: number)
        found[number] = values(network, x)
        assert all(map(np.array_equal, values(network, x), found[number]))
    for number in (2, 3):
        for ours, alone in zip(found[number], found[1], strict=True):
            np.testing.assert_allclose(ours, alone, rtol=1e-3, atol=1e-4)


def test_a_step_takes_no_large_memory_anew() -> None:
    network = Network(NETWORK, MeanSquaredError(), (28, 28, 3))
    x = np.ones((32, 28, 28, 3), np.float32)
    values(network, x)
    tracemalloc.start()
    try:
        network.backward(network.forward(x))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    first_outputs = 32 * 28 * 28 * 8 * 4  # bytes
    assert peak < first_outputs / 2


# -- shapes that do not fit

MISFITS = {
    "a table": (spec.Conv2d(4), (784,), "`shape: [28, 28, 1]`"),
    "an odd table": (spec.MaxPool2d(), (13,), "`shape: [28, 28, 1]`"),
    "grey images without channels": (spec.Conv2d(4), (20, 30), "`shape: [20, 30, 1]`"),
    "sequences": (spec.GlobalAvgPool2d(), (20, 30), "(rows, columns, channels)"),
    "a number": (spec.AvgPool2d(), (), "a single number per example"),
    "a table, 1d": (spec.Conv1d(4), (40,), "`shape: [time, features]`"),
    "images, 1d": (spec.MaxPool1d(2), (28, 28, 1), "(time, features)"),
    "a large window": (spec.MaxPool2d((2, 5)), (4, 4, 1), "windows of 2x5"),
    "a huge window": (spec.AvgPool1d(10**15, padding="same"), (4, 4), "smaller size"),
    "a large kernel": (spec.Conv1d(4, kernel=9, padding="valid"), (8, 1), "`padding: same`"),
}


@pytest.mark.parametrize(("layer", "shape", "advice"), MISFITS.values(), ids=MISFITS)
def test_a_misfit_says_what_to_do(
    layer: spec.LayerOptions, shape: tuple[int, ...], advice: str
) -> None:
    with pytest.raises(LayerError) as caught:
        Network([layer], MeanSquaredError(), shape)
    message = str(caught.value)
    assert layer.name in message
    assert advice in message
    assert "at network.0" in message
