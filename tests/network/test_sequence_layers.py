"""What layers that read sequences promise, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpcli.errors import DataError, SpecError
from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.optimization import CrossEntropy, MeanSquaredError

from .numerical import Array, randomize

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 6)


def network_of(*layers: spec.LayerOptions, shape: tuple[int, ...], **options: Any) -> Network:
    network = Network(layers, MeanSquaredError(), shape, **({"dtype": "float64"} | options))
    randomize(network, np.random.default_rng(0))
    return network


def input_gradient(network: Network, inputs: Array, output_gradient: Array) -> Array:
    network.keep_input_gradient(True)
    network.forward(inputs)
    gradient = network.backward(output_gradient)
    assert gradient is not None
    return gradient.copy()


# attention


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, count=SIZES, time=SIZES, heads=st.sampled_from([1, 2, 4]))
def test_attention_without_positions_does_not_see_the_order(
    seed: int, count: int, time: int, heads: int
) -> None:
    random = np.random.default_rng(seed)
    network = network_of(spec.Attention(heads), shape=(time, 4))
    inputs, order = random.normal(0, 2, (count, time, 4)), random.permutation(time)
    outputs = network.predict(inputs)
    np.testing.assert_allclose(
        network.predict(inputs[:, order]), outputs[:, order], rtol=1e-11, atol=1e-13
    )


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, time=st.integers(2, 7), size=st.sampled_from([1.0, 1e4, 1e12]))
def test_a_causal_mask_leaks_nothing(seed: int, time: int, size: float) -> None:
    random = np.random.default_rng(seed)
    network = network_of(spec.Attention(2, causal=True), shape=(time, 4))
    inputs, cut = random.normal(0, 2, (2, time, 4)), int(random.integers(1, time))
    changed = inputs.copy()
    changed[:, cut:] += random.normal(0, size, changed[:, cut:].shape)
    before, after = network.predict(inputs)[:, :cut], network.predict(changed)[:, :cut]
    assert np.array_equal(before, after)

    asked = np.zeros(inputs.shape)
    asked[:, :cut] = random.normal(0, 1, asked[:, :cut].shape)
    gradient = input_gradient(network, inputs, asked)
    assert not gradient[:, cut:].any()
    assert gradient[:, :cut].any()


def test_dropout_silences_attention_weights_while_training() -> None:
    """Where every query likes every key as much, values and outputs are one-hot and nothing is
    mixed, the outputs are the weights themselves; what is left of them is not normalized again."""
    time, rate = 40, 0.25
    network = network_of(spec.Attention(1, dropout=rate, bias=False), shape=(time, time))
    for name, weight in network.parameters.items():
        weight[...] = np.eye(time) if name.endswith(("value_weight", "output_weight")) else 0
    inputs = np.eye(time)[np.newaxis].repeat(3, axis=0)
    np.testing.assert_allclose(network.forward(inputs), 1 / time, rtol=1e-12)
    weights = network.forward(inputs, training=True, random=np.random.default_rng(0))
    kept = weights > 0
    np.testing.assert_allclose(weights[kept], 1 / time / (1 - rate), rtol=1e-12)
    assert abs(kept.mean() - (1 - rate)) < 0.025  # four standard deviations of 4,800 draws
    assert len(np.unique(kept.sum(axis=-1))) > 5  # each row by itself


def test_without_the_mask_every_position_is_seen() -> None:
    network = network_of(spec.Attention(2), shape=(3, 4))
    asked = np.zeros((1, 3, 4))
    asked[0, 0] = 1
    inputs = np.random.default_rng(0).normal(0, 1, asked.shape)
    assert input_gradient(network, inputs, asked).all()


# recurrent layers

CELLS = [spec.Rnn(3), spec.Rnn(3, activation="relu"), spec.Lstm(3), spec.Gru(3)]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def cell(layer: spec.LayerOptions, x: Array, parameters: dict[str, Array]) -> Array:
    """One step from a state of 0, in the words of the formula."""
    z = x @ parameters["weight"] + parameters["bias"]
    if layer.name == "rnn":
        return np.tanh(z) if layer.activation == "tanh" else np.maximum(z, 0)
    if layer.name == "lstm":
        i, _, g, o = np.split(z, 4, axis=1)
        return sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(g))
    recurrent = parameters["recurrent_bias"]
    r = sigmoid(z[:, :3] + recurrent[:3])
    update = sigmoid(z[:, 3:6] + recurrent[3:6])
    return (1 - update) * np.tanh(z[:, 6:] + r * recurrent[6:])


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, count=SIZES, layer=st.sampled_from(CELLS))
def test_a_recurrent_layer_of_length_one_is_its_cell(
    seed: int, count: int, layer: spec.LayerOptions
) -> None:
    network = network_of(layer, shape=(1, 4))
    network.parameters.vector[...] = np.random.default_rng(seed).normal(
        0, 1, network.parameters.vector.shape
    )
    x = np.random.default_rng(seed + 1).normal(0, 2, (count, 1, 4))
    own = {name.partition(".")[2]: value for name, value in network.parameters.items()}
    expected = cell(layer, x[:, 0], own)
    np.testing.assert_allclose(network.predict(x)[:, 0], expected, rtol=1e-11, atol=1e-13)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, time=st.integers(2, 8), layer=st.sampled_from(CELLS))
def test_the_past_is_a_prefix(seed: int, time: int, layer: spec.LayerOptions) -> None:
    """What a recurrent layer says at a step depends on no later one."""
    network = network_of(layer, shape=(time, 4))
    inputs = np.random.default_rng(seed).normal(0, 2, (2, time, 4))
    whole = network.predict(inputs)
    np.testing.assert_allclose(
        network.predict(inputs[:, :-1]), whole[:, :-1], rtol=1e-11, atol=1e-13
    )


@pytest.mark.parametrize("layer", CELLS, ids=lambda layer: layer.name)
def test_the_gradient_of_every_state_is_kept(layer: spec.LayerOptions) -> None:
    """hₜ of the sequence is what `return: last` gives of the first t steps, so ∂L/∂hₜ of a loss on
    the last state is what a change of hₜ by itself would do to it."""
    network = network_of(layer, shape=(6, 4))
    random = np.random.default_rng(3)
    inputs, asked = random.normal(0, 1, (2, 6, 4)), np.zeros((2, 6, 3))
    asked[:, -1] = random.normal(0, 1, (2, 3))
    network.forward(inputs)
    network.backward(asked)
    kept = network.nodes[0].layer.hidden_gradients
    assert kept is not None
    assert kept.shape == (6, 2, 3)
    np.testing.assert_array_equal(kept[-1], asked[:, -1])
    # the bias is reached through every step alone, so it tells whether all are right
    if layer.name == "rnn":
        states = network.forward(inputs).swapaxes(0, 1)
        slope = 1 - states**2 if layer.activation == "tanh" else states > 0
        by_bias = (kept * slope).sum(axis=(0, 1))
        np.testing.assert_allclose(network.gradients["rnn_1.bias"], by_bias, rtol=1e-12)
        recurrent = network.parameters["rnn_1.recurrent_weight"]
        for t in range(5):
            expected = (kept[t + 1] * slope[t + 1]) @ recurrent.T
            np.testing.assert_allclose(kept[t], expected, rtol=1e-12)


def test_only_recurrent_layers_keep_gradients_of_states() -> None:
    network = network_of(spec.Dense(3), shape=(4,))
    network.forward(np.ones((2, 4)))
    network.backward(np.ones((2, 3)))
    assert network.nodes[0].layer.hidden_gradients is None


@pytest.mark.parametrize("cell", CELLS, ids=["tanh", "relu", "lstm", "gru"])
def test_no_bias_is_a_bias_of_zero(cell: spec.RecurrentOptions) -> None:
    with_bias, without = (
        network_of(replace(cell, bias=bias), shape=(5, 4)) for bias in (True, False)
    )
    for name, values in with_bias.parameters.items():
        values[...] = without.parameters.get(name, 0)
    inputs = np.random.default_rng(1).normal(0, 1, (2, 5, 4))
    np.testing.assert_allclose(without.predict(inputs), with_bias.predict(inputs), rtol=1e-14)


def test_how_recurrent_layers_start() -> None:
    network = Network([spec.Lstm(8), spec.Gru(8)], MeanSquaredError(), (5, 4), dtype="float64")
    i, f, g, o = np.split(network.parameters["lstm_1.bias"], 4)
    assert (f == 1).all()
    assert not np.any([i, g, o])
    for name, gates in (("lstm_1", 4), ("gru_1", 3)):
        for block in np.split(network.parameters[f"{name}.recurrent_weight"], gates, axis=1):
            np.testing.assert_allclose(block.T @ block, np.eye(8), atol=1e-12)
    assert not network.parameters["gru_1.recurrent_bias"].any()


def test_saturated_gates_keep_their_tiny_gradients() -> None:
    """σ' = s (1 - s) of a gate at z = ±25 is e⁻²⁵, in float32 too."""
    for z in (-25.0, 25.0):
        network = Network([spec.Lstm(1)], MeanSquaredError(), (1, 1), dtype="float32")
        network.parameters.vector[...] = 0
        network.parameters["lstm_1.bias"][...] = [z, 0, 1, 0]
        network.forward(np.ones((1, 1, 1), np.float32))
        network.backward(np.ones((1, 1, 1), np.float32))
        cell_state = np.tanh(1.0) * sigmoid(np.array(z))
        expected = 0.5 * (1 - np.tanh(cell_state) ** 2) * np.tanh(1.0) * np.exp(-25.0)
        np.testing.assert_allclose(network.gradients["lstm_1.bias"][0], expected, rtol=1e-4)


# the embedding


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, count=SIZES, time=SIZES, vocabulary=st.sampled_from([1, 3, 300, 70_000]))
def test_gradients_of_repeated_codes_add_up(
    seed: int, count: int, time: int, vocabulary: int
) -> None:
    random = np.random.default_rng(seed)
    layer = spec.Embedding(3, vocabulary=vocabulary)
    network = Network([layer], MeanSquaredError(), (time,), dtype="float64")
    codes, delta = (
        random.integers(0, vocabulary, (count, time)),
        random.normal(size=(count, time, 3)),
    )
    np.testing.assert_array_equal(
        network.predict(codes), network.parameters["embedding_1.weight"][codes]
    )
    assert network.backward(delta) is None
    expected = np.zeros((vocabulary, 3))
    np.add.at(expected, codes, delta)
    np.testing.assert_allclose(network.gradients["embedding_1.weight"], expected, atol=1e-12)


def test_codes_are_checked() -> None:
    network = network_of(spec.Embedding(3, vocabulary=5), shape=(2,))
    with pytest.raises(DataError, match=r"embedding_1 takes codes from 0 to 4, received 1 to 5"):
        network.predict(np.array([[1, 5]]))
    with pytest.raises(DataError, match=r"from 0 to 4, received -1 to 3"):
        network.predict(np.array([[-1, 3]]))
    with pytest.raises(DataError, match="takes integer codes, received float64"):
        network.predict(np.array([[1.0, 3.0]]))


# positions


def test_sinusoids_are_those_of_the_paper() -> None:
    network = network_of(spec.Position("sinusoidal"), shape=(50, 6))
    places = network.predict(np.zeros((1, 50, 6)))[0]
    for t in (0, 1, 49):
        for k in range(3):
            angle = t / 10000 ** (2 * k / 6)
            assert places[t, 2 * k] == pytest.approx(np.sin(angle), abs=1e-14)
            assert places[t, 2 * k + 1] == pytest.approx(np.cos(angle), abs=1e-14)


def test_shorter_sequences_use_the_first_positions() -> None:
    network = network_of(spec.Position(), shape=(5, 2))
    weight = network.parameters["position_1.weight"]
    np.testing.assert_array_equal(network.predict(np.zeros((1, 3, 2)))[0], weight[:3])
    network.backward(np.ones((4, 3, 2)))
    np.testing.assert_array_equal(network.gradients["position_1.weight"][:, 0], [4, 4, 4, 0, 0])


# what is refused

REFUSED = [
    ((spec.Lstm(3),), (7,), r"lstm reads a sequence, \(time, features\), received shape \(7,\)"),
    ((spec.Attention(2),), (7,), r"attention reads a sequence.*text needs an embedding first"),
    ((spec.Position(),), (), r"position reads a sequence.*received a single number per example"),
    ((spec.Gru(3, "last"), spec.Rnn(3)), (7, 2), r"rnn reads.*received shape \(3,\).*: sequence`"),
    ((spec.Rnn(3),), (7, 2, 1), r"received shape \(7, 2, 1\); `shape: \[time, features\]` in data"),
    ((spec.AvgPool1d(),), (7, 2, 1), r"received shape \(7, 2, 1\); avg_pool2d reads images"),
    ((spec.Attention(3),), (7, 4), r"`heads` must divide.*received 3 heads for 4 features"),
    ((spec.Embedding(3),), (7,), r"embedding takes codes of symbols.*`vocabulary"),
    ((spec.Dense(3), spec.Embedding(3, vocabulary=4)), (7,), r"embedding reads codes.*first layer"),
    ((spec.Residual((spec.Embedding(7, vocabulary=4),)),), (7,), r"must be the first layer"),
    ((spec.Lstm(3, freeze=("recurrent_bias",)),), (7, 2), r"freeze names a parameter, here weight"),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "shape", "message"), REFUSED)
def test_what_does_not_fit_is_refused(
    layers: tuple[spec.LayerOptions, ...], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Network(layers, MeanSquaredError(), shape)


# what every layer promises

PROMISES = [
    *CELLS,
    spec.Lstm(3, "last"),
    spec.Gru(3, "last"),
    spec.Attention(2),
    spec.Attention(2, causal=True, dropout=0.3),
    spec.Position(),
    spec.Position("sinusoidal"),
    spec.Embedding(4, vocabulary=9),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layer", PROMISES, ids=lambda layer: f"{layer.name}")
def test_backward_runs_twice_and_float32_stays(layer: spec.LayerOptions, training: bool) -> None:
    codes = layer.name == "embedding"
    shape: tuple[int, ...] = (5,) if codes else (5, 4)
    network = network_of(layer, shape=shape, dtype="float32")
    random = np.random.default_rng(0)
    inputs = random.normal(0, 1, (3, *shape)).astype(np.float32)
    if codes:
        inputs = random.integers(0, 9, (3, *shape))
    kept = inputs.copy()
    if not codes:
        network.keep_input_gradient(True)
    outputs = network.forward(inputs, training=training)
    delta = random.normal(0, 1, outputs.shape).astype(np.float32)
    asked, before = delta.copy(), outputs.copy()
    returned = []
    for _ in range(2):
        gradient = network.backward(delta)
        returned.append((None if codes else gradient.copy(), network.gradients.vector.copy()))
        assert outputs.dtype == np.float32
        assert codes or gradient.dtype == np.float32
    assert codes or np.array_equal(returned[0][0], returned[1][0])
    assert np.array_equal(returned[0][1], returned[1][1])
    assert np.array_equal(delta, asked)
    assert np.array_equal(inputs, kept)
    assert np.array_equal(outputs, before)


def test_weight_decay_takes_every_weight_and_no_bias() -> None:
    layers = (
        spec.Embedding(4, vocabulary=6),
        spec.Position(),
        spec.Attention(2),
        spec.Lstm(3),
        spec.Gru(3),
        spec.Rnn(2),
    )
    network = Network(layers, CrossEntropy(), (5,), dtype="float64", l2=1.0)
    expected = {name for name in network.parameters if not name.endswith("bias")}
    assert {"attention_1.query_weight", "lstm_1.recurrent_weight"} < expected
    squares = sum(float((network.parameters[name] ** 2).sum()) for name in expected)
    assert network.penalty() == pytest.approx(0.5 * squares)


def test_frozen_parameters_of_every_kind() -> None:
    layers = (
        spec.Attention(2, freeze=("query_weight", "key_bias")),
        spec.Rnn(3, freeze=("weight",)),
    )
    network = network_of(*layers, shape=(5, 4))
    frozen = {"attention_1.query_weight", "attention_1.key_bias", "rnn_1.weight"}
    slots = network.parameters.layout.slots.values()
    assert {s.name for s in slots if s.start >= network.parameters.layout.trainable} == frozen
