"""A row of little bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_BARS = "▁▂▃▄▅▆▇█"
_MOST_POINTS = 64  # more are joined in pairs
_LEAST_DECADES = 1.0  # the scale spans at least these, so that noise does not look like a trend


class Trend:
    """The course of positive values, however many, as the logarithms of some stretches."""

    def __init__(self, values: Iterable[float | None] = ()) -> None:
        self.points: list[float | None] = []
        self.stride = 1  # values that make one point
        self._waiting: list[float | None] = []
        for value in values:
            self.add(value)

    def add(self, value: float | None) -> None:
        positive = value is not None and 0 < value < math.inf
        self._waiting.append(math.log10(value) if value and positive else None)
        if len(self._waiting) < self.stride:
            return
        self.points.append(_mean(self._waiting))
        self._waiting = []
        if len(self.points) == _MOST_POINTS:
            self.points = [_mean(pair) for pair in _stretches(self.points, _MOST_POINTS // 2)]
            self.stride *= 2

    def line(self, columns: int) -> str:
        """Little bars on a logarithmic scale; a blank where no value was positive."""
        columns = min(columns, len(self.points))
        bars = [_mean(stretch) for stretch in _stretches(self.points, columns)]
        known = [bar for bar in bars if bar is not None]
        if not known:
            return " " * columns
        low, high = min(known), max(known)
        missing = max(0.0, _LEAST_DECADES - (high - low))
        low, high = low - missing / 2, high + missing / 2
        return "".join(" " if bar is None else _bar((bar - low) / (high - low)) for bar in bars)


def _bar(share: float) -> str:
    return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]


def _stretches(values: Sequence[float | None], count: int) -> list[Sequence[float | None]]:
    bounds = [len(values) * n // max(count, 1) for n in range(count + 1)]
    return [values[bounds[n] : bounds[n + 1]] for n in range(count)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
