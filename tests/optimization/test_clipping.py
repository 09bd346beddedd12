"""The norm at every magnitude, and clipping by it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.optimization import clip, norm


@pytest.mark.parametrize("size", [1e-40, 1e-25, 1e-19, 1.0, 1e15, 1e20, 1e38])
def test_float32_norms_neither_underflow_nor_overflow(size: float) -> None:
    vector = np.array([3, 0, -4], np.float32) * np.float32(size / 4)
    assert norm(vector) == pytest.approx(5 * size / 4, rel=1e-4, abs=0)


@pytest.mark.parametrize("exponent", [-300, -160, 0, 160, 300])
def test_float64_norms_neither_underflow_nor_overflow(exponent: int) -> None:
    for signs in ([3.0, -4.0], [-3.0, -4.0], [3.0, 4.0]):
        size = norm(np.array(signs) * 10.0**exponent)
        assert size == pytest.approx(5 * 10.0**exponent, rel=1e-12, abs=0)


def test_a_norm_out_of_range_is_summed_over_all_blocks() -> None:
    vector = np.full(200_000, 1e-25, np.float32)
    assert norm(vector) == pytest.approx(1e-25 * math.sqrt(200_000), rel=1e-6, abs=0)


def test_norms_that_are_not_finite() -> None:
    assert norm(np.array([1, np.inf, 0], np.float32)) == math.inf
    assert norm(np.array([1, -np.inf], np.float32)) == math.inf
    assert math.isnan(norm(np.array([1, np.nan, np.inf], np.float32)))
    assert norm(np.zeros(0, np.float32)) == 0.0
    assert norm(np.zeros(5)) == 0.0


floats = st.floats(-1e6, 1e6, width=32)


@given(st.lists(floats, max_size=20), st.floats(1e-3, 1e3))
def test_clipping_by_norm_keeps_the_direction(values: list[float], limit: float) -> None:
    gradients = np.array(values)
    before = clip(gradients, limit, None)
    assert before == pytest.approx(math.hypot(*values), rel=1e-12, abs=0)
    factor = min(1.0, limit / before) if before else 1.0
    np.testing.assert_allclose(gradients, np.array(values) * factor, rtol=1e-12, atol=1e-300)


def test_clipping_by_value_reports_the_norm_before() -> None:
    gradients = np.array([3.0, -4.0, 0.5])
    assert clip(gradients, None, 1.0) == pytest.approx(math.sqrt(25.25))
    assert gradients.tolist() == [1.0, -1.0, 0.5]


def test_both_limits_hold_together() -> None:
    gradients = np.array([3.0, -4.0, 0.0])
    assert clip(gradients, 1.0, 0.7) == pytest.approx(5.0)
    np.testing.assert_allclose(gradients, [0.6, -0.7, 0.0])


def test_without_limits_nothing_changes() -> None:
    gradients = np.array([3.0, -4.0])
    assert clip(gradients, None, None) == pytest.approx(5.0)
    assert gradients.tolist() == [3.0, -4.0]


def test_float32_is_clipped_from_the_edge_of_its_range() -> None:
    gradients = np.array([3e37, -4e37], np.float32)
    assert clip(gradients, 1e-2, None) == pytest.approx(5e37, rel=1e-5)
    np.testing.assert_allclose(gradients, [6e-3, -8e-3], rtol=1e-5)
    assert gradients.dtype == np.float32


def test_what_is_not_finite_is_left_for_the_caller_to_see() -> None:
    gradients = np.array([1.0, np.nan])
    assert math.isnan(clip(gradients, 0.1, 0.1))
    assert gradients[0] == 1.0
