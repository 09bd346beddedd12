"""Initializers against what their formulas say of moments, bounds and structure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bpcli.errors import ShapeError
from bpcli.network import Network
from bpcli.network.initializers import fans, initialize
from bpcli.spec.initializers import Uniform
from bpcli.spec.layers import Dense
from bpcli.spec.optimization import MeanSquaredError

Array = np.ndarray[Any, Any]
DENSE, IMAGE, SEQUENCE = (300, 200), (3, 5, 16, 64), (7, 40, 100)

# name -> variance · fan_in, · (fan_in + fan_out) / 2 or · fan_out; and the distribution's kurtosis
NAMED = {
    "glorot_uniform": ("fan_avg", 1.0, 9 / 5),
    "glorot_normal": ("fan_avg", 1.0, 3.0),
    "he_uniform": ("fan_in", 2.0, 9 / 5),
    "he_normal": ("fan_in", 2.0, 3.0),
    "lecun_uniform": ("fan_in", 1.0, 9 / 5),
    "lecun_normal": ("fan_in", 1.0, 3.0),
}


def draw(init: Any, shape: tuple[int, ...], seed: int = 0) -> Array:
    return initialize(init, shape, np.random.default_rng(seed))


def assert_moments(numbers: Array, variance: float, kurtosis: float) -> None:
    """Mean 0, that variance and kurtosis E x⁴ / σ⁴, each within five standard errors."""
    count, size = numbers.size, numbers / math.sqrt(variance)
    assert abs(size.mean()) < 5 / math.sqrt(count)
    spread = math.sqrt((kurtosis - 1) / count)  # of the mean of squares
    assert abs((size**2).mean() - 1) < 5 * spread
    assert abs((size**4).mean() - kurtosis) < 5 * math.sqrt(105 / count)  # E x⁸ of a normal


def test_fans_count_the_kernel() -> None:
    assert fans((30, 20)) == (30, 20)
    assert fans((3, 5, 16, 64)) == (3 * 5 * 16, 3 * 5 * 64)
    assert fans((7, 40, 100)) == (7 * 40, 7 * 100)
    assert fans((9,)) == (1, 9)
    assert fans(()) == (1, 1)


def test_a_small_truncated_normal_lies_within_two_deviations() -> None:
    """Where most draws are whole at first sight; of 4,000 numbers some 180 must be drawn again."""
    init = {
        "variance_scaling": {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal"}
    }
    numbers = [draw(init, (1, 4), seed) for seed in range(1000)]
    cut = 2 / 0.87962566103423978  # in deviations of what is left (scipy.stats.truncnorm(-2, 2))
    assert 0.98 * cut < np.abs(numbers).max() <= cut


@pytest.mark.parametrize("shape", [DENSE, IMAGE, SEQUENCE], ids=["dense", "image", "sequence"])
@pytest.mark.parametrize("name", NAMED)
def test_named_ones_have_their_variance(name: str, shape: tuple[int, ...]) -> None:
    mode, scale, kurtosis = NAMED[name]
    kernel, (inputs, outputs) = math.prod(shape[:-2]), shape[-2:]
    fan = {"fan_in": kernel * inputs, "fan_avg": kernel * (inputs + outputs) / 2}[mode]
    numbers = draw(name, shape)
    assert_moments(numbers, scale / fan, kurtosis)
    if name.endswith("uniform"):  # bounds √(3 σ²), nearly reached
        limit = math.sqrt(3 * scale / fan)
        assert 0.999 * limit < np.abs(numbers).max() <= limit


@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling(mode: str, distribution: str) -> None:
    init = {"variance_scaling": {"scale": 1.7, "mode": mode, "distribution": distribution}}
    fan = {"fan_in": 300, "fan_out": 200, "fan_avg": 250}[mode]
    # of a normal variable cut at ±2: E x⁴ = 3 - (2³ + 3·2) k, σ² = 1 - 2 k, k = 2 φ(2) / (1 - 2 Q)
    k = 2 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
    cut = (3 - 14 * k) / (1 - 2 * k) ** 2
    kurtosis = {"normal": 3.0, "truncated_normal": cut, "uniform": 9 / 5}[distribution]
    numbers = draw(init, DENSE)
    assert_moments(numbers, 1.7 / fan, kurtosis)
    if distribution == "truncated_normal":  # at 2σ of the normal variable that is cut
        limit = 2 * math.sqrt(1.7 / fan / (1 - 2 * k))
        assert 0.999 * limit < np.abs(numbers).max() <= limit


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (3, 3, 4, 16)])
def test_orthogonal_keeps_lengths(shape: tuple[int, ...]) -> None:
    matrix = draw({"orthogonal": {"gain": 1.5}}, shape).reshape(-1, shape[-1])
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, 1.5**2 * np.eye(min(rows, columns)), atol=1e-13)


def test_every_orthogonal_matrix_is_equally_likely() -> None:
    """Under Haar measure an element of Q (n, n) has mean 0 and variance 1/n; numpy's QR alone
    gives a diagonal that is mostly negative."""
    random = np.random.default_rng(0)
    drawn = np.stack([initialize("orthogonal", (3, 3), random) for _ in range(4000)])
    error = 5 / math.sqrt(3 * 4000)
    assert np.abs(drawn.mean(axis=0)).max() < error
    np.testing.assert_allclose((drawn**2).mean(axis=0), 1 / 3, atol=error)
    assert abs(np.linalg.det(drawn).mean()) < 5 / math.sqrt(4000)


def test_what_is_not_drawn_is_literal() -> None:
    assert draw("zeros", (2, 3)).tolist() == [[0] * 3] * 2
    assert draw("ones", (3,)).tolist() == [1] * 3
    assert draw({"constant": -0.5}, (3,)).tolist() == [-0.5] * 3
    assert draw("identity", (2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert draw({"values": [[1, 2], [3, 4.5]]}, (2, 2)).tolist() == [[1, 2], [3, 4.5]]


def test_normal_and_uniform_take_their_options() -> None:
    assert_moments(draw({"normal": {"std": 0.3}}, (200, 100)), 0.09, 3.0)
    numbers = draw({"uniform": {"low": -1, "high": 3}}, (200, 100))
    assert_moments(numbers - 1, 4 / 3, 9 / 5)
    assert -1 <= numbers.min() < -0.99
    assert 2.99 < numbers.max() < 3


@pytest.mark.parametrize(
    ("init", "shape", "message"),
    [
        ("orthogonal", (4,), r"orthogonal needs two axes or more, the parameter has shape \(4,\)"),
        ("identity", (2, 3, 4), r"identity needs two axes, the parameter has shape \(2, 3, 4\)"),
        ({"values": [1, 2]}, (3,), r"has shape \(3,\), its values have shape \(2,\)"),
    ],
)
def test_what_cannot_fill_a_shape_says_so(init: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        draw(init, shape)


def test_both_precisions_start_from_the_same_numbers() -> None:
    single, double = (
        Network([Dense(7), Dense(3)], MeanSquaredError(), (5,), dtype=dtype, seed=4)
        for dtype in ("float32", "float64")
    )
    vector = double.parameters.vector
    assert np.array_equal(single.parameters.vector, vector.astype(np.float32))
    other = Network([Dense(7), Dense(3)], MeanSquaredError(), (5,), dtype="float64", seed=5)
    assert not np.array_equal(
        other.parameters["dense_1.weight"], double.parameters["dense_1.weight"]
    )


def test_uniform_numbers_between_the_largest() -> None:
    numbers = initialize(Uniform(-1e308, 1e308), (1000,), np.random.default_rng(0))
    assert np.isfinite(numbers).all()
    assert abs((numbers * 1e-308).mean()) < 0.1 < np.abs(numbers * 1e-308).max()
