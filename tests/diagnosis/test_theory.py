"""Mean-field theory against published values, closed forms and simulations.

The critical σ_w² of tanh, χ₁ and ξ_c are those of Schoenholz et al. 2017, computed independently
with SciPy's adaptive quadrature; the decays of sigmoid and ReLU have closed forms or were computed
the same way. The factors of batch normalization: π/(π - 1) for ReLU (Yang et al. 2019).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bpcli.diagnosis.expectation import Activation, moments, normal_rule, pair_moments
from bpcli.diagnosis.initial_moments import initial_moments
from bpcli.diagnosis.theory import (
    activation_named,
    critical_weight_variance,
    inverse_width_sum,
    largest_singular_value,
    mean_field,
    preserving_weight_variance,
    spectral_radius,
)
from bpcli.network.initializers import initialize
from bpcli.network.layer import make_layer
from bpcli.spec.initializers import INITIALIZERS
from bpcli.spec.layers import LAYERS

ELEMENTWISE = (
    "identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus",
)  # fmt: skip


@pytest.mark.parametrize(
    ("bias", "critical"),
    [(0.001, 1.189), (0.01, 1.424), (0.05, 1.761), (0.1, 1.986), (0.2, 2.285), (0.5, 2.843),
     (1.0, 3.443)],
)  # fmt: skip
def test_critical_weights_of_tanh(bias: float, critical: float) -> None:
    found = critical_weight_variance(activation_named("tanh"), bias)
    assert found == pytest.approx(critical, abs=6e-4)


@pytest.mark.parametrize(
    ("weight", "chi"), [(1.0, 0.759), (1.5, 0.939), (1.76, 1.000), (2.5, 1.134), (4.0, 1.343)]
)
def test_chi_of_tanh(weight: float, chi: float) -> None:
    assert mean_field(activation_named("tanh"), weight, 0.05).chi == pytest.approx(chi, abs=1.1e-3)


@pytest.mark.parametrize(("weight", "depth"), [(1, 3.63), (1.5, 15.8), (2.5, 11.8), (4, 6.98)])
def test_correlation_depth_of_tanh(weight: float, depth: float) -> None:
    found = mean_field(activation_named("tanh"), weight, 0.05).correlation_depth
    assert found == pytest.approx(depth, rel=5e-3)


@pytest.mark.parametrize(("weight", "chi", "decay"), [(2, 0.1010, 1.146), (1, 0.0557, 1.444)])
def test_sigmoid(weight: float, chi: float, decay: float) -> None:
    field = mean_field(activation_named("sigmoid"), weight)
    assert field.chi == pytest.approx(chi, abs=1e-4)
    assert -field.gradient_slope == pytest.approx(decay, abs=1e-3)


def test_relu() -> None:
    relu = activation_named("relu")
    assert mean_field(relu, 2.0).gradient_slope == pytest.approx(0, abs=1e-12)
    assert mean_field(relu, 1.0).gradient_slope == pytest.approx(-0.3466, abs=1e-4)
    for fan_in, decay in ((5, 3.087), (64, 1.812), (100, 1.589), (784, 0.559)):
        weight = fan_in * initial_moments("uniform", (fan_in, 10)).square  # ±0.05
        assert -mean_field(relu, weight).gradient_slope == pytest.approx(decay, abs=1e-3)


def test_scale_free_activations_are_critical_at_the_textbook_gain() -> None:
    assert critical_weight_variance(activation_named("relu")) == pytest.approx(2)
    assert critical_weight_variance(activation_named("identity")) == pytest.approx(1)
    leaky = Activation(make_layer(LAYERS["leaky_relu"](slope=0.2)))  # type: ignore[call-arg]
    assert critical_weight_variance(leaky) == pytest.approx(2 / 1.04)


def test_selu_keeps_variance_one() -> None:
    assert preserving_weight_variance(activation_named("selu")) == pytest.approx(1, abs=1e-9)
    assert mean_field(activation_named("selu"), 1.0).variance == pytest.approx(1, abs=1e-6)


def test_a_variance_without_bounds_is_told() -> None:
    relu = activation_named("relu")
    assert mean_field(relu, 3.0).variance == math.inf
    assert mean_field(relu, 1.0).variance == 0
    assert mean_field(relu, 3.0).chi == pytest.approx(1.5)


def test_depth_scales() -> None:
    ordered = mean_field(activation_named("tanh"), 1.0, 0.05)
    assert ordered.depth_scale == pytest.approx(-1 / math.log(ordered.chi))
    assert mean_field(activation_named("tanh"), 4.0, 0.05).depth_scale < 0


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("deviation", [0.3, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("mean", [0.0, 0.7])
def test_moments_against_a_fine_trapezoidal_rule(name: str, deviation: float, mean: float) -> None:
    activation = activation_named(name)
    z = np.linspace(-12, 12, 400_000)  # none at the kink
    weights = np.exp(-z * z / 2)
    weights /= weights.sum()
    value, slope = activation.both(mean + deviation * z)
    found = moments(activation, deviation**2, mean)
    assert found.mean == pytest.approx(weights @ value, rel=1e-4, abs=1e-6)
    assert found.square == pytest.approx(weights @ value**2, rel=1e-4)
    assert found.slope_square == pytest.approx(weights @ slope**2, rel=1e-4)
    assert found.slope_fourth == pytest.approx(weights @ slope**4, rel=1e-4)


def test_rules_are_distributions() -> None:
    for mean, deviation in ((0.0, 0.5), (3.0, 0.5), (-2.0, 40.0), (0.0, 1e-12), (1.0, 0.0)):
        x, weights = normal_rule(mean, deviation)
        assert weights.sum() == pytest.approx(1)
        assert weights @ x == pytest.approx(mean, abs=1e-9 * max(deviation, 1))
        assert weights @ (x - mean) ** 2 == pytest.approx(deviation**2, rel=1e-9, abs=1e-30)


def test_pairs_of_relu_have_the_arc_cosine_kernel() -> None:
    """Cho & Saul 2009: E φ(x) φ(y) = (sin θ + (π - θ) cos θ) / 2π, E φ'(x) φ'(y) = (π - θ) / 2π."""
    for c in (-0.9, -0.3, 0.0, 0.4, 0.95):
        theta = math.acos(c)
        pair = pair_moments(activation_named("relu"), 1.0, c)
        kernel = (math.sin(theta) + (math.pi - theta) * c) / (2 * math.pi)
        assert pair.product == pytest.approx(kernel, abs=3e-3)
        assert pair.slope_product == pytest.approx((math.pi - theta) / (2 * math.pi), abs=1e-2)


def test_hanins_sum_and_bounds_for_recurrence() -> None:
    assert inverse_width_sum([10, 20, 20]) == pytest.approx(0.2)
    rotation = np.array([[0.0, -2.0], [0.5, 0.0]])  # eigenvalues ±i, singular values 2 and ½
    assert spectral_radius(rotation) == pytest.approx(1)
    assert largest_singular_value(rotation) == pytest.approx(2)
    assert math.isnan(spectral_radius(np.full((2, 2), np.nan)))


INITS: list[Any] = [
    *(name for name in INITIALIZERS if name not in ("constant", "values", "blocks")),
    {"constant": 0.3},
    {"values": [[0.1, 0.2], [0.3, -0.5]]},
    {"orthogonal": {"gain": 1.5}},
    {"uniform": {"low": -0.1, "high": 0.3}},
    {"variance_scaling": {"scale": 1.7, "mode": "fan_out", "distribution": "truncated_normal"}},
]


@pytest.mark.parametrize("init", INITS, ids=str)
def test_moments_of_every_initializer(init: Any) -> None:
    for shape in ((200, 300), (300, 200)) if "values" not in init else ((2, 2),):
        drawn = initialize(init, shape, np.random.default_rng(0))
        known = initial_moments(init, shape)
        assert known.mean == pytest.approx(drawn.mean(), abs=5e-3 * math.sqrt(known.square) + 1e-9)
        assert known.square == pytest.approx(np.square(drawn).mean(), rel=0.02, abs=1e-12)
