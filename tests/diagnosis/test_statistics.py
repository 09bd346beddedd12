"""Numbers that describe arrays, against NumPy in double precision and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.diagnosis.statistics import (
    count_non_finite,
    fit_line,
    geometric_mean,
    logarithmic_slope,
    mean,
    median,
    norm,
    relative_noise,
    root_mean_square,
    share_beyond,
    spread_between_examples,
    unit_maximum,
)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-12, 1.0, 1e12, 1e30])
def test_norms_neither_underflow_nor_overflow(scale: float) -> None:
    values = np.array([3, -4, 12], np.float32) * np.float32(scale)
    expected = math.sqrt(math.fsum(float(value) ** 2 for value in values))
    assert norm(values) == pytest.approx(expected, rel=1e-6, abs=0)


def test_a_norm_of_numbers_that_are_not_finite_is_not_finite() -> None:
    assert math.isnan(norm(np.array([1.0, np.nan], np.float32)))
    assert norm(np.array([1.0, -np.inf], np.float32)) == math.inf


def test_a_norm_of_nothing_is_zero() -> None:
    assert norm(np.zeros(0, np.float32)) == root_mean_square(np.zeros(0, np.float32)) == 0.0


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e20])
def test_the_norm_of_many_blocks_is_that_of_all_together(scale: float) -> None:
    """A third block of 65,536 elements has only a few."""
    values = (np.random.default_rng(0).standard_normal(2 * 65_536 + 5) * scale).astype(np.float32)
    expected = math.sqrt(math.fsum(float(value) ** 2 for value in values))
    assert norm(values) == pytest.approx(expected, rel=1e-6, abs=0)
    assert norm(values[: 2 * 65_536].reshape(256, 2, 256)) < norm(values)


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5), (1, 1)])
@pytest.mark.parametrize("scale", [1e-40, 1.0, 1e38])
def test_means_neither_overflow_nor_lose_small_values(shape: tuple[int, ...], scale: float) -> None:
    values = (np.random.default_rng(0).uniform(1, 3, shape) * scale).astype(np.float32)
    expected = math.fsum(float(value) for value in values.ravel()) / values.size
    assert mean(values) == pytest.approx(expected, rel=1e-6, abs=0)
    assert mean(np.zeros((0, 3))) == 0.0


def test_a_mean_of_values_that_are_not_finite_is_not_finite() -> None:
    assert math.isnan(mean(np.array([[1.0, np.nan]])))
    assert mean(np.array([[1.0, np.inf]])) == math.inf


def test_count_of_non_finite_values() -> None:
    assert count_non_finite(np.array([1, np.nan, np.inf, 0])) == 2


@given(
    st.lists(
        st.tuples(st.floats(-100, 100), st.floats(-1e6, 1e6)),
        min_size=3,
        max_size=30,
        unique_by=lambda point: round(point[0], 3),
    )
)
def test_the_line_of_least_squares_is_numpys(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    line = fit_line(list(x), list(y))
    assert line is not None
    design = np.stack([x - x.mean(), np.ones_like(x)], axis=1)
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ coefficients
    covariance = np.linalg.inv(design.T @ design) * (residual @ residual) / max(len(x) - 2, 1)
    size = max(1.0, float(np.abs(y).max())) / float(np.ptp(x))
    assert line.slope == pytest.approx(coefficients[0], rel=1e-6, abs=1e-9 * size)
    error = math.sqrt(max(covariance[0, 0], 0))
    assert line.error == pytest.approx(error, rel=1e-5, abs=1e-7 * size)


def test_a_slope_of_two_points_has_no_error_and_one_point_no_slope() -> None:
    line = fit_line([0.0, 1.0], [1.0, 3.0])
    assert line is not None
    assert line.slope == 2
    assert math.isnan(line.error)
    assert fit_line([1.0], [1.0]) is None
    assert fit_line([1.0, 1.0], [1.0, 2.0]) is None


def test_logarithmic_slopes_leave_out_what_has_no_logarithm() -> None:
    line = logarithmic_slope([1.0, 0.0, math.e**2, None, math.e**4, math.inf])
    assert line is not None
    assert line.slope == pytest.approx(1.0)


def test_median_and_geometric_mean() -> None:
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
    assert median([math.inf, 1.0, math.inf]) == math.inf
    assert math.isnan(median([]))
    assert geometric_mean([1e-200, 1e-300]) == pytest.approx(1e-250, rel=1e-12, abs=0)
    assert geometric_mean([1.0, 0.0]) == 0.0


def test_the_share_beyond_bounds() -> None:
    values = np.array([-0.96, -0.95, 0.0, 0.5, 0.97])
    assert share_beyond(values, -0.95, 0.95) == pytest.approx(3 / 5)


def test_unit_maxima_are_over_examples_and_positions() -> None:
    values = np.array([[[1, -1], [0, -5]], [[-2, -3], [3, -4]]])
    np.testing.assert_array_equal(unit_maximum(values), [3, -1])


def test_the_spread_between_examples_is_the_variance_share() -> None:
    random = np.random.default_rng(0)
    constant = random.standard_normal(50)
    noise = 0.1 * random.standard_normal((4000, 50))
    share = spread_between_examples((constant + noise).astype(np.float32))
    expected = 50 * 0.01 / (float(constant @ constant) + 50 * 0.01)
    assert share == pytest.approx(expected, rel=0.05)
    assert spread_between_examples(np.ones((5, 3))) == 0


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_relative_noise_estimates_what_was_put_in(scale: float) -> None:
    random = np.random.default_rng(1)
    signal = random.standard_normal(3000)
    batches = [(signal + 0.5 * random.standard_normal(3000)) * scale for _ in range(8)]
    noise = relative_noise([batch.astype(np.float32) for batch in batches])
    assert noise == pytest.approx(0.5, rel=0.05)


def test_noise_without_signal_is_unbounded_and_of_one_batch_unknown() -> None:
    opposite = [np.array([1.0, -1.0]), np.array([-1.0, 1.0])]
    assert relative_noise(opposite) == math.inf
    assert relative_noise([np.ones(3)]) is None
    assert relative_noise([np.zeros(3), np.zeros(3)]) is None
