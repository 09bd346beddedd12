"""Examples that others worked through by hand or printed: the same numbers here."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

import bpcli
from bpcli.build import prepare
from bpcli.network import Network
from bpcli.spec.initializers import LecunNormal, Normal
from bpcli.spec.layers import Dense, Relu, Repeat, Sigmoid
from bpcli.spec.optimization import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from bpcli.training import Stepper, Trainer

CONFIGS = Path(__file__).parent.parent / "configs"


def close(received: np.ndarray, expected: list) -> None:
    np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-12)


# Mazur (2015), "A Step by Step Backpropagation Example": a 2-2-2 network, worked through by hand.
# The post rounds; these digits are the same example in double precision. The post's figures after
# the update (.291027924 and .0000351085) come from a program that used updated weights too early.


def mazur() -> tuple[Stepper, Network]:
    spec = bpcli.load_spec(CONFIGS / "mazur.yaml")
    dataset, network = prepare(spec)
    return Stepper(spec, dataset.train, network), network


class Deltas:
    """δ = ∂E/∂z of the two dense layers, and their activations."""

    def __init__(self) -> None:
        self.outputs: dict[str, np.ndarray] = {}
        self.deltas: dict[str, np.ndarray] = {}

    def forward(self, node: object, inputs: np.ndarray, outputs: np.ndarray) -> None:
        self.outputs[node.name] = outputs[0].copy()  # type: ignore[attr-defined]

    def backward(self, node: object, output_gradient: np.ndarray, _: object) -> None:
        self.deltas[node.name] = output_gradient[0].copy()  # type: ignore[attr-defined]


def test_mazur_step_by_step() -> None:
    stepper, network = mazur()
    seen = Deltas()
    network.observe(seen)
    loss = stepper.step()
    network.observe(None)
    assert loss == pytest.approx(0.298371108760, abs=1e-12)
    close(seen.outputs["sigmoid_1"], [0.593269992107, 0.596884378260])
    close(seen.outputs["sigmoid_2"], [0.751365069552, 0.772928465321])
    close(seen.deltas["dense_2"], [0.138498561629, -0.038098236517])
    close(seen.deltas["dense_1"], [0.008771354689, 0.009954254705])
    # rows here are inputs, in the post they are units
    close(
        network.gradients["dense_2.weight"].T,
        [[0.082167040564, 0.082667627848], [-0.022602540477, -0.022740242216]],
    )
    close(
        network.gradients["dense_1.weight"].T,
        [[0.000438567734, 0.000877135469], [0.000497712735, 0.000995425471]],
    )
    close(
        network.parameters["dense_2.weight"].T,
        [[0.358916479718, 0.408666186076], [0.511301270239, 0.561370121108]],
    )
    close(
        network.parameters["dense_1.weight"].T,
        [[0.149780716133, 0.199561432266], [0.249751143632, 0.299502287265]],
    )
    assert network.parameters["dense_1.bias"].tolist() == [0.35, 0.35]
    assert network.parameters["dense_2.bias"].tolist() == [0.60, 0.60]
    assert stepper.step() == pytest.approx(0.291027773694, abs=1e-12)


def test_mazur_after_ten_thousand_steps() -> None:
    stepper, network = mazur()
    for _ in range(10_000):
        stepper.step()
    outputs = network.predict(np.array([[0.05, 0.10]]))
    loss, _ = network.loss.forward(outputs, np.array([[0.01, 0.99]]))
    assert float(loss) == pytest.approx(3.51018778e-5, rel=1e-8)
    np.testing.assert_allclose(outputs, [[0.015913620, 0.984064274]], rtol=0, atol=5.1e-10)


def test_xor_is_learned() -> None:
    """Not linearly separable: a network without a hidden layer gets one of the four wrong."""
    spec = bpcli.load_spec(CONFIGS / "xor.yaml")
    dataset, network = prepare(spec)
    outcome = Trainer(spec, dataset, network).train()
    assert outcome.figures["train"]["accuracy"] == 1.0
    assert outcome.figures["validation"]["accuracy"] == 1.0


@pytest.mark.parametrize("seed", range(1, 6))
def test_xor_is_learned_from_other_weights(seed: int) -> None:
    spec = bpcli.load_spec(CONFIGS / "xor.yaml", settings=[f"seed={seed}"])
    dataset, network = prepare(spec)
    assert Trainer(spec, dataset, network).train().figures["train"]["accuracy"] == 1.0


def test_one_neuron_of_cs231n() -> None:
    """f(w, x) = sigmoid(w0 x0 + w1 x1 + w2) of the course's notes on backpropagation, which print
    f = .73, dx = [.39, -.59] and dw = [-.20, -.39, .20]."""
    network = Network([Dense(1), Sigmoid()], MeanSquaredError(), (2,), dtype="float64")
    network.keep_input_gradient(True)
    network.parameters["dense_1.weight"][...] = [[2], [-3]]
    network.parameters["dense_1.bias"][...] = -3
    outputs = network.forward(np.array([[-1.0, -2.0]]))
    assert outputs[0, 0] == pytest.approx(0.7310585786, abs=1e-10)
    input_gradient = network.backward(np.ones((1, 1)))
    assert input_gradient is not None
    slope = 0.1966119332  # f (1 - f)
    np.testing.assert_allclose(input_gradient, [[2 * slope, -3 * slope]], atol=1e-9)
    weight = network.gradients["dense_1.weight"]
    np.testing.assert_allclose(weight, [[-slope], [-2 * slope]], atol=1e-9)
    np.testing.assert_allclose(network.gradients["dense_1.bias"], [slope], atol=1e-9)


# CS231n (Karpathy 2015), "Putting it together: minimal neural network case study": three spirals.
# The notes print the loss of softmax regression at step 190 and the accuracy of a ReLU network.


def spirals(random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """100 points of each of three classes, drawn in the notes' order from the legacy generator."""
    arms = []
    for arm in range(3):
        radius = np.linspace(0, 1, 100)
        angle = np.linspace(4 * arm, 4 * (arm + 1), 100) + 0.2 * random.randn(100)
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.concatenate(arms), np.repeat(np.arange(3), 100)


def descend(network: Network, inputs: np.ndarray, classes: np.ndarray, steps: int) -> float:
    """Full-batch gradient descent at rate 1; the loss before the last of the steps."""
    loss = math.nan
    for _ in range(steps):
        loss, gradients = network.loss_and_gradients(inputs, classes)
        network.parameters.vector[...] -= gradients.vector
    return loss


def test_softmax_regression_on_the_spirals_of_cs231n() -> None:
    random = np.random.RandomState(0)
    inputs, classes = spirals(random)
    network = Network([Dense(3)], CrossEntropy(), (2,), dtype="float64", l2=1e-3)
    network.parameters["dense_1.weight"][...] = 0.01 * random.randn(2, 3)
    assert round(descend(network, inputs, classes, 191), 6) == 0.786302


@pytest.mark.slow
def test_a_relu_network_on_the_spirals_of_cs231n() -> None:
    random = np.random.RandomState(0)
    inputs, classes = spirals(random)
    layers = [Dense(100), Relu(), Dense(3)]
    network = Network(layers, CrossEntropy(), (2,), dtype="float64", l2=1e-3)
    network.parameters["dense_1.weight"][...] = 0.01 * random.randn(2, 100)
    network.parameters["dense_2.weight"][...] = 0.01 * random.randn(100, 3)
    descend(network, inputs, classes, 10_000)
    accuracy = (network.predict(inputs).argmax(axis=1) == classes).mean()
    assert round(accuracy, 2) >= 0.98


# Nielsen (2015), "Neural Networks and Deep Learning", chapter 5: before training, the norm of each
# hidden layer's mean bias gradient over the first 1,000 training images of MNIST. He printed one
# unseeded draw, so a factor of 2 is allowed, of the norms and of their ratios. His network2 takes
# the cross entropy of sigmoid outputs by default, summed over the ten of them.
NIELSEN = {
    2: (0.066, 0.309),
    3: (0.0118, 0.0600, 0.283),
    4: (0.0030, 0.0171, 0.0695, 0.285),
}


def first_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    folder = CONFIGS.parent / "datasets" / "mnist"
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(16 + count * 784)[16:], np.uint8)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        digits = np.frombuffer(file.read(8 + count)[8:], np.uint8)
    return pixels.reshape(count, 784) / 255, np.eye(10)[digits]


@pytest.mark.parametrize("hidden", NIELSEN)
def test_the_vanishing_gradients_of_nielsens_book(hidden: int) -> None:
    inputs, targets = first_images(1000)
    bias = Normal(1.0)
    block = (Dense(30, init=LecunNormal(), bias=bias), Sigmoid())
    layers = [Repeat(hidden, block), Dense(10, init=LecunNormal(), bias=bias)]
    norms = []
    for seed in range(9):
        network = Network(layers, BinaryCrossEntropy(), (784,), dtype="float64", seed=seed)
        _, gradients = network.loss_and_gradients(inputs, targets)
        norms.append(
            [10 * np.linalg.norm(gradients[f"dense_{k}.bias"]) for k in range(1, hidden + 1)]
        )
    found, expected = np.median(norms, axis=0), np.array(NIELSEN[hidden])
    assert np.abs(np.log2(found / expected)).max() < 1
    ratios = (found[1:] / found[:-1]) / (expected[1:] / expected[:-1])
    assert np.abs(np.log2(ratios)).max() < 1
