"""Layers and losses against values that PyTorch and mpmath gave; see tests/reference/README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec.layers import LAYERS, LayerOptions
from bpcli.spec.optimization import LOSSES, CrossEntropy, MeanSquaredError

Array = np.ndarray[Any, Any]
FOLDER = Path(__file__).parent.parent / "reference"
LAYER_REFERENCE = json.loads((FOLDER / "layers.json").read_text(encoding="utf-8"))
TAILS = json.loads((FOLDER / "tails.json").read_text(encoding="utf-8"))


def options(written: Mapping[str, Any]) -> LayerOptions:
    """A layer's options from the normal form of a spec."""
    ((name, given),) = written.items()
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    if "layers" in given:
        given = {**given, "layers": tuple(map(options, given["layers"]))}
    return LAYERS[name](**given)


def assert_same(received: Any, expected: Any, what: str, scale: float = 0.0) -> None:
    """To 1e-10 relative; what rounding leaves of a sum of larger terms (the largest element, or
    ``scale``) is no difference."""
    received, expected = np.asarray(received), np.asarray(expected, np.float64)
    assert received.shape == expected.shape, what
    assert received.dtype == np.float64, what
    rounding = 4e-15 * np.abs(expected).max(initial=scale)
    np.testing.assert_allclose(received, expected, rtol=1e-10, atol=rounding, err_msg=what)


def by_name(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def fill(vectors: Mapping[str, Array], values: Mapping[str, Any], prefix: str = "") -> None:
    """Puts values into the views of a network, and says so if a name is not there."""
    assert {prefix + name for name in values} == set(vectors)
    for name, value in values.items():
        vectors[prefix + name][...] = value


def assert_is_pytorchs(case: dict[str, Any]) -> None:
    """Outputs, all gradients and the state of a recorded layer."""
    inputs = np.array(case["inputs"])
    network = Network(
        [options(case["layer"])], MeanSquaredError(), inputs.shape[1:], dtype="float64"
    )
    network.keep_input_gradient(True)
    prefix = network.nodes[0].name + "."
    fill(network.parameters, case["parameters"], prefix)
    fill(network.state, case.get("state", {}), prefix)

    outputs = network.forward(inputs, training=case.get("training", True))
    assert_same(outputs, case["outputs"], "outputs")
    input_gradient = network.backward(np.array(case["output_gradient"]))
    assert_same(input_gradient, case["input_gradient"], "input gradient")
    for name, expected in case["gradients"].items():
        assert_same(network.gradients[prefix + name], expected, name)
    for name, expected in case.get("state_after", {}).items():
        assert_same(network.state[prefix + name], expected, name)


@by_name(LAYER_REFERENCE["layers"])
def test_a_layer_is_pytorchs(case: dict[str, Any]) -> None:
    assert_is_pytorchs(case)


def test_every_layer_has_a_case() -> None:
    """Of those of this file; layers of sequences and images have files of their own."""
    cases = {name for case in LAYER_REFERENCE["layers"] for name in case["layer"]}
    assert cases >= {
        *("dense", "dropout", "batch_norm", "layer_norm", "rms_norm", "residual"),
        *("identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"),
        *("softplus", "exponential", "softmax"),
    }


def test_running_statistics_follow_pytorchs_over_batches() -> None:
    reference = LAYER_REFERENCE["running_statistics"]
    network = Network([LAYERS["batch_norm"]()], MeanSquaredError(), (3,), dtype="float64")
    for batch, (mean, variance) in zip(reference["batches"], reference["path"], strict=True):
        network.forward(np.array(batch), training=True)
        assert_same(network.state["batch_norm_1.running_mean"], mean, "mean")
        assert_same(network.state["batch_norm_1.running_variance"], variance, "variance")
    before = network.state.vector.copy()
    outputs = network.predict(np.array(reference["inputs"]))
    assert_same(outputs, reference["outputs"], "evaluation")
    assert np.array_equal(network.state.vector, before)


@by_name(LAYER_REFERENCE["losses"])
def test_a_loss_is_pytorchs(case: dict[str, Any]) -> None:
    ((name, given),) = case["loss"].items()
    outputs, targets = np.array(case["outputs"]), np.array(case["targets"])
    network = Network(
        [LAYERS["identity"]()], LOSSES[name](**given), outputs.shape[1:], dtype="float64"
    )
    value, cache = network.loss.forward(outputs, targets)
    assert float(value) == pytest.approx(case["value"], rel=1e-10, abs=1e-15)
    # PyTorch's p - 1 is 0 where p is nearly 1; ours is not (see the tails below)
    scale = 1.0 if name == "cross_entropy" else 0.0
    assert_same(network.loss.backward(cache), case["gradient"], "gradient", scale)


def test_a_whole_network_is_pytorchs() -> None:
    reference = LAYER_REFERENCE["network"]
    inputs, targets = np.array(reference["inputs"]), np.array(reference["targets"])
    layers = [options(layer) for layer in reference["layers"]]
    network = Network(layers, CrossEntropy(), (6,), dtype="float64", l2=reference["l2"])
    network.keep_input_gradient(True)
    fill(network.parameters, reference["parameters"])
    loss, gradients = network.loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(reference["loss"], rel=1e-12)
    assert_same(network.outputs, reference["outputs"], "outputs")
    # a bias before batch norm has the gradient 0, on both sides up to rounding
    expected = dict(reference["gradients"])
    np.testing.assert_allclose(gradients["dense_1.bias"], expected.pop("dense_1.bias"), atol=1e-15)
    for name, gradient in expected.items():
        assert_same(gradients[name], gradient, name)


def tail(name: str) -> tuple[Array, Array, Array]:
    """(x, f(x), f'(x))."""
    found = TAILS["functions"][name]
    columns = (TAILS["points"], found["values"], found["derivatives"])
    x, value, derivative = map(np.array, columns)
    return x, value, derivative


ACTIVATIONS = {
    **{
        name: LAYERS[name]()
        for name in ("sigmoid", "softplus", "silu", "elu", "selu", "gelu", "exponential", "tanh")
    },
    "gelu tanh": LAYERS["gelu"](approximate="tanh"),
}
# relative error; the functions of 1 - y, 1 + eˣ and of x³ in an exponent round once or twice more
SHARP = {"float64": 1e-13, "float32": 8e-6}


@pytest.mark.parametrize("dtype", SHARP)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_accurate_relative_to_themselves(name: str, dtype: str) -> None:
    """However small they are: over all points where neither side leaves the range of numbers."""
    x, value, derivative = tail(name)
    limits = np.finfo(dtype)
    network = Network([ACTIVATIONS[name]], MeanSquaredError(), (len(x),), dtype=dtype)
    network.keep_input_gradient(True)
    with np.errstate(over="ignore", under="ignore"):
        outputs = network.forward(x.astype(dtype)[np.newaxis])
        slopes = network.backward(np.ones((1, len(x)), dtype))
    least = 1e-300 if dtype == "float64" else 1e-36
    for received, expected in ((outputs[0], value), (slopes[0], derivative)):
        held = (np.abs(expected) > least) & (np.abs(expected) < 0.1 * limits.max)
        # 1 - y² is what is left of 1, not more
        left = 2 * limits.eps if name == "tanh" else 0.0
        np.testing.assert_allclose(received[held], expected[held], rtol=SHARP[dtype], atol=left)


@pytest.mark.parametrize("dtype", SHARP)
@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_losses_are_accurate_relative_to_themselves(name: str, dtype: str) -> None:
    """The loss of a confident right answer is tiny, not 0; that of a wrong one does not overflow.
    Both are those of one example: a batch is as accurate as its largest term."""
    x, value, derivative = tail(name)
    least = 1e-300 if dtype == "float64" else 1e-36
    loss = Network([LAYERS["identity"]()], LOSSES[name](), (2,), dtype=dtype).loss
    for logit, expected, slope in zip(x, value, derivative, strict=True):
        if min(expected, abs(slope)) < least:
            continue
        if name == "cross_entropy":
            outputs, targets = np.array([[logit, 0]], dtype), np.array([0])
        else:
            outputs, targets = np.array([[logit]], dtype), np.array([[1]])
        received, cache = loss.forward(outputs, targets)
        assert float(received) == pytest.approx(expected, rel=SHARP[dtype], abs=0)
        assert loss.backward(cache)[0, 0] == pytest.approx(slope, rel=SHARP[dtype], abs=0)
