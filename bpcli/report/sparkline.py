"""A row of little bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_LEAST_DECADES = 1.0  # the scale spans at least these, so that noise does not look like a trend


def sparkline(values: Sequence[float | None], columns: int) -> str:
    """The course of positive values on a logarithmic scale, each bar the mean of its stretch.

    A stretch without a positive value is a blank.
    """
    logarithms = [
        math.log10(value) if value is not None and 0 < value < math.inf else None
        for value in values
    ]
    columns = min(columns, len(logarithms))
    bars = [_mean(stretch) for stretch in _stretches(logarithms, columns)]
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
