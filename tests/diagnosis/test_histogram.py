"""Histograms against NumPy's own, and the same ones over a wider range."""

from __future__ import annotations

import numpy as np
import pytest

from bpcli.diagnosis.histogram import BINS, Histogram, alike, histogram
from bpcli.diagnosis.recorder import Recorder


@pytest.mark.parametrize("scale", [1e-20, 3e-5, 1.0, 700.0, 1e30])
def test_counts_are_those_of_numpy(scale: float) -> None:
    values = (np.random.default_rng(1).standard_normal(1000) * scale).reshape(40, 25)
    found = histogram(values)
    assert found is not None
    edges = found.edges()
    assert edges[-1] / 2 <= np.abs(values).max() < edges[-1]
    assert list(found.counts) == np.histogram(values, edges)[0].tolist()


def test_a_wider_range_joins_bins() -> None:
    values = np.random.default_rng(2).uniform(-1, 1, 1000)
    found = histogram(values)
    assert found is not None
    for more in (1, 2, 5, 40):
        wide = found.widened(found.exponent + more)
        assert sum(wide.counts) == 1000
        if more < 10:
            assert list(wide.counts) == np.histogram(values, wide.edges())[0].tolist()


def test_ranges_become_alike() -> None:
    both = [histogram(np.array([0.3, -0.2])), histogram(np.array([5.0]))]
    assert [each.exponent for each in alike(each for each in both if each)] == [3, 3]


def test_zeros_lie_in_the_bin_above_0() -> None:
    assert histogram(np.zeros(7)) == Histogram(0, (0,) * 16 + (7,) + (0,) * 15)


def test_of_many_values_a_sample_is_looked_at() -> None:
    found = histogram(np.random.default_rng(3).uniform(-1, 1, (512, 128)).astype(np.float32))
    assert found is not None
    assert sum(found.counts) == 1024
    assert np.ptp(found.counts) < 32  # each of 32 bins has about 32


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf]])
def test_there_is_none_of_what_is_not_finite(values: list[float]) -> None:
    assert histogram(np.array(values)) is None


@pytest.mark.parametrize(
    ("total", "interval", "expected"),
    [(30, 1, [1, 4, 16]), (450, 27, [1, 4, 27, 81, 270])],
)
def test_a_few_records_have_histograms(total: int, interval: int, expected: list[int]) -> None:
    """Whatever was recorded before: a resumed run goes on with the same steps."""
    recorder = Recorder(total, interval=interval)
    steps = [step for step in range(1, total + 1) if recorder.wants(step)]
    assert [step for step in steps if recorder.samples(step)] == expected
    assert len(Histogram(0, (0,) * BINS).edges()) == BINS + 1
