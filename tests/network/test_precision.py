"""A float32 network computes in float32 throughout, and a step allocates nothing large."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.optimization import LOSSES, Loss, MeanSquaredError

from . import test_gradients, test_sequence_gradients

CASES = {
    **{name: (layer, (6, 4)) for name, layer in test_gradients.LAYERS.items()},
    **{f"{name}, 3-D": (layer, (6, 5, 4)) for name, layer in test_gradients.LAYERS.items()},
    **{name: (layer, (6, 5, 4)) for name, layer in test_sequence_gradients.LAYERS.items()},
}


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Everything inside tuples, lists, mappings and objects of a cache."""
    if isinstance(value, (tuple, list)):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}[{name!r}]")
    elif hasattr(value, "__dict__"):
        yield from leaves(vars(value), path)
    else:
        yield path, value


def assert_single(value: Any, path: str) -> None:
    for place, leaf in leaves(value, path):
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fc":
            assert leaf.dtype == np.float32, place


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("layer", "shape"), CASES.values(), ids=CASES)
def test_a_layer(layer: spec.LayerOptions, shape: tuple[int, ...], training: bool) -> None:
    random = np.random.default_rng(0)
    if layer.name == "embedding":
        inputs = random.integers(0, 7, shape := shape[:-1])
    else:
        inputs = random.standard_normal(shape, np.float32)
    network = Network([layer], MeanSquaredError(), shape[1:], dtype="float32", l2=0.1)
    network.keep_input_gradient(True)
    outputs = network.forward(inputs, training=training)
    assert_single(outputs, "outputs")
    assert_single(network._caches, "cache")
    input_gradient = network.backward(random.standard_normal(outputs.shape, np.float32))
    assert_single(input_gradient, "input gradient")
    for vector in (network.parameters, network.gradients, network.state):
        assert vector.vector.dtype == np.float32
    for node in network.nodes:
        assert_single(getattr(node.layer, "_buffers", {}), node.name)


@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (6, 1)], ids=["rows", "sequences", "one"])
@pytest.mark.parametrize("options", [kind() for kind in LOSSES.values()], ids=list(LOSSES))
def test_a_loss(options: Loss, shape: tuple[int, ...]) -> None:
    """Only the value, which is added up in double precision, may be wider."""
    random = np.random.default_rng(0)
    loss = Network([spec.Identity()], options, shape[1:]).loss
    outputs = random.standard_normal(shape, np.float32)
    for wide in (np.float64, np.int64):  # what targets of a careless caller may be
        targets = random.integers(0, 2, shape).astype(wide)
        if options.name == "cross_entropy":
            targets = random.integers(0, shape[-1], shape[:-1])
        _, cache = loss.forward(outputs, targets)
        assert_single(cache, "cache")
        assert_single(loss.backward(cache), "gradient")
        assert_single(loss._buffers, "buffers")


LARGE = (256, 512)  # half a megabyte an array
ELEMENTWISE = {
    name: layer
    for name, layer in test_gradients.LAYERS.items()
    if not name.startswith(("residual", "dense"))
}


WEIGHTED = {
    "dense": spec.Dense(512),
    "residual": spec.Residual((spec.Dense(512), spec.Relu()), projection=True),
}


@pytest.mark.parametrize("name", [*ELEMENTWISE, *WEIGHTED])
def test_a_step_allocates_no_arrays_of_the_batch(name: str) -> None:
    """Buffers are made with the first batch and are the same objects ever after."""
    layer = WEIGHTED.get(name) or ELEMENTWISE[name]
    random = np.random.default_rng(0)
    network = Network([spec.Dense(512), layer], MeanSquaredError(), LARGE[1:])
    times = 4 if name == "gelu" else 1  # it has three arrays for its blocks of 256 KiB
    inputs, targets = random.standard_normal((2, times * LARGE[0], *LARGE[1:]), np.float32)
    network.loss_and_gradients(inputs, targets)
    buffers = buffers_of(network)
    tracemalloc.start()
    try:
        network.loss_and_gradients(inputs, targets)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert buffers_of(network) == buffers
    # NumPy converts types in blocks of 64 kB, NumPy 2.0 in two of them; dropout's random bytes are
    # a quarter or half of an array
    allowed = {"dropout": 0.4, "dropout, 16 bits": 0.7, "gelu": 0.4}.get(name, 0.3)
    assert peak < allowed * inputs.nbytes


def buffers_of(network: Network) -> dict[str, dict[Any, int]]:
    """The identity of every buffer, by its layer."""
    owners: dict[str, Any] = {node.layer.path: node.layer for node in network.nodes}
    owners["loss"] = network.loss
    return {
        name: {key: id(array) for key, array in getattr(owner, "_buffers", {}).items()}
        for name, owner in owners.items()
    }
