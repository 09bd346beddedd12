"""How the values of an array are spread: shares in bins that can be compared over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bpcli.diagnosis.statistics import Array

BINS = 32
_SAMPLE = 1024  # values that are looked at: shares are then right to about a hundredth
_SMALLEST = -120  # exponent of the range; below it everything counts as 0


class Histogram(NamedTuple):
    """Counts of values in 32 equal bins over [-2^exponent, 2^exponent).

    The range is the smallest power of two that holds all values. Two neighbouring bins of one range
    are then exactly one bin of the next, so histograms of different steps can be set side by side.
    """

    exponent: int
    counts: tuple[int, ...]

    def edges(self) -> list[float]:
        """The 33 bounds of the bins."""
        width = 2.0**self.exponent / (BINS // 2)
        return [(n - BINS // 2) * width for n in range(BINS + 1)]

    def widened(self, exponent: int) -> Histogram:
        """The same counts over a range that is as wide or wider."""
        counts = list(self.counts)
        for _ in range(min(exponent - self.exponent, BINS.bit_length())):
            joined = [counts[n] + counts[n + 1] for n in range(0, BINS, 2)]
            counts = [0] * (BINS // 4) + joined + [0] * (BINS // 4)
        return Histogram(exponent, tuple(counts))


def histogram(values: Array) -> Histogram | None:
    """Of all values or a sample, always of the same places; None where one is not finite, or there
    is none."""
    flat = values.reshape(-1)
    if flat.size > _SAMPLE:
        flat = flat.take(_places(flat.size))
    sample = flat.astype(np.float64)
    largest = float(np.abs(sample).max(initial=0.0))
    if not (sample.size and math.isfinite(largest)):
        return None
    exponent = max(math.frexp(largest)[1], _SMALLEST) if largest else 0
    places = np.floor(np.ldexp(sample, -exponent) * (BINS // 2)).astype(np.int64) + BINS // 2
    counts = np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)
    return Histogram(exponent, tuple(counts.tolist()))


@lru_cache(maxsize=64)
def _places(size: int) -> Array:
    return np.random.default_rng(0).integers(0, size, _SAMPLE)


def alike(histograms: Iterable[Histogram]) -> list[Histogram]:
    """All over the widest of their ranges."""
    known = list(histograms)
    widest = max((each.exponent for each in known), default=0)
    return [each.widened(widest) for each in known]
