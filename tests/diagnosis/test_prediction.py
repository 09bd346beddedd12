"""What theory expects of a network's layers, held against networks that were drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bpcli.diagnosis.prediction import Prediction, Signal, predict, signal_of
from bpcli.diagnosis.statistics import fit_line
from bpcli.network import Network
from bpcli.spec import layers
from bpcli.spec.initializers import Constant, HeNormal, Zeros
from bpcli.spec.optimization import MeanSquaredError

from .networks import chain, dense_names, measured_slope

DEPTH = 20


def predicted_slope(prediction: Prediction, network: Network, *, inner: bool = False) -> float:
    logs = [prediction.log_gradients[name] for name in dense_names(network, inner=inner)]
    assert None not in logs
    line = fit_line([float(n) for n in range(len(logs))], [float(v or 0) for v in logs])
    assert line is not None
    return line.slope


def agree(measured: float, predicted: float) -> bool:
    return abs(measured - predicted) <= max(0.02, 0.1 * abs(measured))


def slopes(
    activation: str, weight: float, bias: float, width: int, seeds: int = 5
) -> tuple[float, float]:
    inputs = np.random.default_rng(0).standard_normal((64, width)).astype(np.float32)
    networks = [
        chain(activation, weight, bias, width=width, depth=DEPTH, seed=seed)
        for seed in range(seeds)
    ]
    prediction = predict(networks[0].nodes, signal_of(inputs))
    return measured_slope(networks, inputs), predicted_slope(prediction, networks[0])


# (σ_w², σ_b²): ordered, critical and chaotic ones
POINTS = {
    "tanh": [(w, b) for w in (0.5, 1.0, 1.5, 1.76, 2.5) for b in (0.0, 0.05)],
    "sigmoid": [(w, b) for w in (0.5, 1.0, 2.0, 4.0, 9.0) for b in (0.0, 0.05)],
    "relu": [(w, b) for w in (0.5, 1.0, 1.5, 2.0, 2.5) for b in (0.0, 0.05)],
    "gelu": [(w, b) for w in (0.5, 1.0, 1.5, 2.0, 3.0) for b in (0.0, 0.05)],
    "selu": [(w, b) for w in (0.5, 0.8, 1.0, 1.3, 2.0) for b in (0.0, 0.05)],
}


@pytest.mark.parametrize("activation", POINTS)
def test_measured_slopes_are_those_of_theory(activation: str) -> None:
    wrong = {}
    for weight, bias in POINTS[activation]:
        # here signals of examples drift apart, and the slopes of single draws differ by 0.04
        marginal = (activation, weight) == ("gelu", 2.0)
        width, seeds = (300, 16) if marginal else (200, 5)
        measured, predicted = slopes(activation, weight, bias, width, seeds)
        if not agree(measured, predicted):
            wrong[weight, bias] = measured, predicted
    assert not wrong


def test_the_width_term_of_relu() -> None:
    """E ln ‖δ‖ of He networks falls by 1.25 / width a layer (Hanin 2018)."""
    network = chain("relu", 2.0, 0.0, width=40, depth=DEPTH, seed=0)
    prediction = predict(network.nodes, Signal(1.0, 0.0))
    assert predicted_slope(prediction, network, inner=True) == pytest.approx(-1.25 / 40, rel=0.01)


@pytest.mark.parametrize(
    ("activation", "factor", "theory"),
    [("relu", 1.4615, math.pi / (math.pi - 1)), ("tanh", 1.185, 1.178), ("identity", 0.996, 1.0)],
)
def test_batch_norm_without_skips_explodes(activation: str, factor: float, theory: float) -> None:
    """Factors of the gradient's square a layer, measured at width 600 and batch 256."""
    inputs = np.random.default_rng(0).standard_normal((256, 600)).astype(np.float32)
    network = chain(activation, 2.0, 0.0, width=600, depth=12, seed=0, norm_name="batch_norm")
    measured = math.exp(2 * measured_slope([network], inputs, inner=True))
    prediction = predict(network.nodes, signal_of(inputs))
    predicted = math.exp(2 * predicted_slope(prediction, network, inner=True))
    assert measured == pytest.approx(factor, rel=0.04)
    assert predicted == pytest.approx(theory, rel=0.02)


def test_a_residual_block_adds_both_paths() -> None:
    """‖∂L/∂x‖² = ‖δ‖² (1 + what the branch sends back), ½ ln 2 a block of preserving branches."""
    block = layers.Residual((layers.Relu(), layers.Dense(units=64, init=HeNormal())))
    network = Network((block,) * 6, MeanSquaredError(), (64,))
    prediction = predict(network.chain.nodes, Signal(1.0, 0.0))
    first, second = (prediction.log_gradients[f"residual_{n}"] for n in (1, 2))
    assert first is not None
    assert second is not None
    assert first - second == pytest.approx(0.5 * math.log(2), abs=1e-6)
    assert prediction.signals["residual_1"].square == pytest.approx(2.0)


def test_a_branch_that_starts_at_zero_leaves_the_skip() -> None:
    block = layers.Residual((layers.Dense(units=8, init=Zeros()),))
    network = Network((block,) * 3, MeanSquaredError(), (8,))
    logs = predict(network.chain.nodes, Signal(1.0, 0.0)).log_gradients
    assert list(logs.values()) == pytest.approx([0.0] * 3, abs=1e-12)


def test_layers_without_a_theory_say_so() -> None:
    stack = (
        layers.Dense(units=8, init=Constant(0.1)),
        layers.Tanh(),
        layers.Dense(units=8, init=HeNormal()),
    )
    network = Network(stack, MeanSquaredError(), (8,))
    prediction = predict(network.nodes, Signal(1.0, 0.0))
    assert prediction.log_gradients["dense_1"] is None
    assert prediction.reasons == ("dense_1: its weights do not have mean 0",)


def test_the_signal_of_a_batch() -> None:
    inputs = np.array([[1.0, 3.0], [3.0, 3.0]])
    signal = signal_of(inputs)
    assert signal.square == pytest.approx((1 + 9 + 9 + 9) / 4)
    assert signal.shared == pytest.approx((4 + 9) / 2)
    assert signal.mean == pytest.approx(2.5)
