"""What a network promises about its vectors, names, penalty, copies and random numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from bpcli.errors import DataError, ShapeError
from bpcli.network import LayerError, Network, Node
from bpcli.network.cost import activation_count
from bpcli.network.network import streams
from bpcli.spec import layers as spec
from bpcli.spec.optimization import LOSSES, CrossEntropy, MeanSquaredError

Array = np.ndarray[Any, Any]

LAYERS = (
    spec.Dense(4, freeze=("bias",)),
    spec.BatchNorm(freeze=("scale",)),
    spec.Tanh(),
    spec.Repeat(2, (spec.Dense(4), spec.Relu())),
    spec.Residual((spec.LayerNorm(), spec.Residual((spec.Dense(4),), projection=True))),
    spec.Dense(2, label="head", bias=False),
)
FREE = [
    *("dense_1.weight", "batch_norm_1.shift"),
    *("dense_2.weight", "dense_2.bias", "dense_3.weight", "dense_3.bias"),
    *("residual_1.layer_norm_1.scale", "residual_1.layer_norm_1.shift"),
    *("residual_1.residual_1.dense_1.weight", "residual_1.residual_1.dense_1.bias"),
    "residual_1.residual_1.projection.weight",
    "head.weight",
]
FROZEN = ["dense_1.bias", "batch_norm_1.scale"]


def make(layers: tuple[spec.LayerOptions, ...] = LAYERS, **options: Any) -> Network:
    return Network(layers, CrossEntropy(), (3,), **({"dtype": "float64"} | options))


def batch(seed: int = 0, count: int = 7) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    return random.normal(0, 1, (count, 3)), random.integers(0, 2, count)


def test_names_say_the_type_the_ordinal_and_the_path() -> None:
    network = make()
    assert list(network.parameters) == [*FREE, *FROZEN]
    assert list(network.gradients) == list(network.parameters)
    running = ["batch_norm_1.running_mean", "batch_norm_1.running_variance"]
    assert list(network.state) == running
    assert [node.layer.path for node in network.nodes] == [
        *("dense_1", "batch_norm_1", "tanh_1", "dense_2", "relu_1", "dense_3", "relu_2"),
        *("residual_1", "residual_1.layer_norm_1", "residual_1.residual_1"),
        *("residual_1.residual_1.dense_1", "head"),
    ]


def test_two_layers_of_one_name_are_refused() -> None:
    layers = (spec.Dense(4), spec.Tanh(label="dense_1"), spec.Dense(2))
    with pytest.raises(LayerError, match="two layers are called 'dense_1'; names must differ"):
        make(layers)


def test_freezing_what_is_not_there_is_refused() -> None:
    layers = (spec.Dense(2, bias=False, freeze=("bias",)),)
    with pytest.raises(LayerError, match="freeze names a parameter, here weight; received 'bias'"):
        make(layers)


@pytest.mark.parametrize("vector", ["parameters", "gradients", "state"])
def test_views_cover_their_vector_once(vector: str) -> None:
    vectors = getattr(make(), vector)
    vectors.vector[...] = np.arange(vectors.vector.size)
    seen = np.concatenate([view.reshape(-1) for view in vectors.values()])
    assert seen.tolist() == vectors.vector.tolist()
    for view in vectors.values():
        view += 1
    assert vectors.vector.tolist() == (np.arange(vectors.vector.size) + 1).tolist()


def test_what_is_frozen_lies_behind_what_an_optimizer_sees() -> None:
    network = make()
    frozen = sum(network.parameters[name].size for name in FROZEN)
    assert network.parameters.trainable.size == network.parameters.vector.size - frozen
    network.parameters.trainable[...] = 7
    for name, view in network.parameters.items():
        assert (view == 7).all() == (name not in FROZEN), name


def test_the_penalty_is_of_weights_alone() -> None:
    inputs, targets = batch()
    plain, decayed = make(seed=1), make(seed=1, l2=0.3)
    loss, gradients = plain.loss_and_gradients(inputs, targets)
    penalized, with_decay = decayed.loss_and_gradients(inputs, targets)
    weights = [name for name in plain.parameters if name.endswith("weight")]
    assert len(weights) == 6
    squares = sum(float(np.square(plain.parameters[name]).sum()) for name in weights)
    assert decayed.penalty() == pytest.approx(0.15 * squares, rel=1e-14)
    assert plain.penalty() == 0
    assert penalized - loss == pytest.approx(0.15 * squares, rel=1e-12)
    for name, gradient in gradients.items():
        added = 0.3 * plain.parameters[name] if name in weights else 0
        np.testing.assert_allclose(with_decay[name], gradient + added, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_a_copy_has_the_numbers_and_nothing_else_in_common(dtype: str) -> None:
    network = make(seed=3, l2=0.1)
    inputs, targets = batch()
    network.forward(inputs, training=True)  # moves the running means
    network.parameters.vector += 0.25
    other = network.copy(dtype)
    assert other.dtype == np.dtype(dtype)
    assert np.array_equal(other.parameters.vector, network.parameters.vector.astype(dtype))
    assert np.array_equal(other.state.vector, network.state.vector.astype(dtype))
    assert other.penalty().real == pytest.approx(network.penalty(), rel=1e-6)
    before = network.parameters.vector.copy(), network.state.vector.copy()
    other.parameters.vector[...] = 0
    other.state.vector[...] = 0
    other.loss_and_gradients(inputs.astype(dtype), targets)
    assert np.array_equal(network.parameters.vector, before[0])
    assert np.array_equal(network.state.vector, before[1])


def test_predictions_are_arrays_of_their_own() -> None:
    network = make()
    first = network.predict(batch(0)[0])
    kept = first.copy()
    network.predict(batch(1)[0])
    assert np.array_equal(first, kept)


def test_backward_can_run_twice_and_changes_nothing_it_was_given() -> None:
    network = make()
    inputs, targets = batch()
    network.keep_input_gradient(True)
    outputs = network.forward(inputs, training=True)
    value, cache = network.loss.forward(outputs, targets)
    delta = network.loss.backward(cache)
    kept = inputs.copy(), outputs.copy(), delta.copy()
    first = network.backward(delta)
    assert first is not None
    found = first.copy(), network.gradients.vector.copy()
    again = network.backward(network.loss.backward(cache))
    assert np.array_equal(again, found[0])
    assert np.array_equal(network.gradients.vector, found[1])
    for before, now in zip(kept, (inputs, outputs, delta), strict=True):
        assert np.array_equal(before, now)
    assert float(network.loss.forward(outputs, targets)[0]) == float(value)


class Witness:
    """Keeps what an observer is shown."""

    def __init__(self) -> None:
        self.forward_events: list[tuple[str, Array, Array]] = []
        self.backward_events: list[tuple[str, Array, Array | None]] = []

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        self.forward_events.append((node.layer.path, inputs.copy(), outputs.copy()))

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        kept = None if input_gradient is None else input_gradient.copy()
        self.backward_events.append((node.layer.path, output_gradient.copy(), kept))


def test_observers_see_every_layer_and_change_no_bit() -> None:
    inputs, targets = batch()
    alone, watched, witness = make(), make(), Witness()
    watched.observe(witness)
    expected = alone.loss_and_gradients(inputs, targets)[0]
    assert watched.loss_and_gradients(inputs, targets)[0] == expected
    assert np.array_equal(watched.gradients.vector, alone.gradients.vector)
    paths = [node.layer.path for node in watched.nodes]
    assert sorted(event[0] for event in witness.forward_events) == sorted(paths)
    assert sorted(event[0] for event in witness.backward_events) == sorted(paths)
    # in the trunk, what one layer gives is what the next receives
    trunk = [event for event in witness.forward_events if "." not in event[0]]
    for before, after in pairwise(trunk):
        assert np.array_equal(before[2], after[1])
    back = [event for event in witness.backward_events if "." not in event[0]]
    for before, after in pairwise(back):
        assert np.array_equal(before[2], after[1])
    assert back[-1][2] is None  # nobody asks for the gradient by the network's input
    watched.observe(None)
    watched.loss_and_gradients(inputs, targets)
    assert len(witness.forward_events) == len(paths)


def test_streams_of_one_seed_are_apart() -> None:
    found = streams(5)
    drawn = [found[name].standard_normal(1000) for name in ("order", "dropout")]
    weights = make((spec.Dense(1000),), seed=5).parameters["dense_1.weight"]
    numbers = [*drawn, weights[0], weights[1]]
    assert np.abs(np.corrcoef(numbers) - np.eye(4)).max() < 0.15
    assert np.array_equal(streams(5)["order"].standard_normal(1000), drawn[0])
    assert not np.array_equal(streams(6)["order"].standard_normal(1000), drawn[0])


def test_dropout_layers_leave_the_weights_as_they_are() -> None:
    plain = make((spec.Dense(4), spec.Dense(2)))
    dropping = make((spec.Dense(4), spec.Dropout(0.5), spec.Dense(2), spec.Dropout(0.1)))
    assert np.array_equal(plain.parameters.vector, dropping.parameters.vector)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "cross_entropy"])
def test_nothing_broadcasts_in_a_loss(name: str) -> None:
    loss = Network([spec.Identity()], LOSSES[name](), (1,)).loss
    with pytest.raises(ShapeError, match=r"outputs of shape \(4, 1\) need .* received \(4,\)"):
        loss.forward(np.zeros((4, 1)), np.zeros(4))


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (np.zeros((4, 3)), ShapeError, r"need targets of shape \(4,\), received \(4, 3\)"),
        (np.zeros(4), DataError, "integers from 0; received float64"),
        (np.array([0, 1, 3, 2]), DataError, "from 0 to 2, received 0 to 3"),
        (np.array([0, 1, -1, 2]), DataError, "from 0 to 2, received -1 to 2"),
    ],
)
def test_cross_entropy_takes_class_numbers(
    targets: Array, error: type[Exception], message: str
) -> None:
    loss = Network([spec.Identity()], CrossEntropy(), (3,)).loss
    with pytest.raises(error, match=message):
        loss.forward(np.zeros((4, 3)), targets)


def test_batch_norm_refuses_to_learn_from_one_value() -> None:
    network = make((spec.Dense(2), spec.BatchNorm()))
    with pytest.raises(ShapeError, match="batch_norm_1 needs at least two values a feature"):
        network.forward(np.zeros((1, 3)), training=True)
    assert np.isfinite(network.predict(np.zeros((1, 3)))).all()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (spec.Dense(3), (), "dense needs at least one axis"),
        (spec.Softmax(), (), "softmax needs at least one axis"),
        (spec.LayerNorm(), (), "layer_norm needs at least one axis"),
        (spec.Residual((spec.Relu(),), projection=True), (), "a projection needs layers"),
        (spec.Residual((spec.Relu(), spec.Flatten())), (4, 3), "without flatten_1"),
        (spec.Residual((spec.Relu(), spec.Rnn(3, returns="last"))), (4, 3),
         "say `return: sequence` in rnn_1"),
        (spec.Residual((spec.Relu(), spec.Dense(5))), (3,),
         "give the last layer that size or `projection: true` for another last axis"),
        (spec.Residual((spec.Conv2d(3, stride=2),), projection=True), (4, 4, 2),
         "expected (4, 4, 3), received (2, 2, 3); give the last layer that size, at network.0"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_say_what_to_do(
    layer: spec.LayerOptions, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(LayerError) as caught:
        Network([layer], MeanSquaredError(), shape)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "layer", [spec.Attention(2), spec.LayerNorm(), spec.Tanh()], ids=lambda layer: layer.name
)
def test_activations_are_counted_as_the_layers_keep_them(layer: spec.LayerOptions) -> None:
    """Against the numbers in the arrays that a forward pass left behind."""
    network = Network([layer], MeanSquaredError(), (6, 4), dtype="float64")
    network.forward(np.ones((5, 6, 4)), training=True)
    (node,) = network.chain.nodes
    kept = sum(array.size for array in node.layer._buffers.values()) / 5
    counted = activation_count(network.chain) - 6 * 4  # the input is not the layer's
    assert 0.75 * kept < counted <= kept


def test_a_network_without_parameters_is_one() -> None:
    network = Network([spec.Tanh()], MeanSquaredError(), (2,), dtype="float64", l2=1.0)
    loss, gradients = network.loss_and_gradients(np.ones((3, 2)), np.zeros((3, 2)))
    assert loss == pytest.approx(np.tanh(1) ** 2)
    assert gradients.vector.size == 0
