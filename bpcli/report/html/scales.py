"""Numbers to places on a picture: linear and logarithmic scales, their ticks, fewer points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bpcli.report.charts import Points


@dataclass(frozen=True)
class Scale:
    """From [low, high] to [start, stop] of the picture; logarithmic ones take positive numbers."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (self._position(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.stop - self.start)

    def _position(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def ticks(self, most: int = 6, *, whole: bool = False) -> list[float]:
        """Round numbers within the scale, only ``whole`` ones if wanted."""
        pick = _powers if self.logarithmic else _round_steps
        ticks = pick(self.low, self.high, most)
        return [tick for tick in ticks if tick == round(tick)] if whole else ticks


def scale_over(
    values: Sequence[float], start: float, stop: float, *, logarithmic: bool = False
) -> Scale:
    """A scale that holds the values, with a little room around them."""
    kept = [v for v in values if math.isfinite(v) and (v > 0 or not logarithmic)]
    low, high = min(kept, default=1.0), max(kept, default=1.0)
    if logarithmic:
        low, high = low / 1.3, high * 1.3
    elif low == high:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    else:
        room = 0.04 * (high - low)
        low, high = low - room, high + room
    return Scale(low, high, start, stop, logarithmic)


def _round_steps(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= raw), 10 * power)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]


def _powers(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    every = max(1, math.ceil((last - first + 1) / most))
    powers = [10.0**n for n in range(first, last + 1, every)]
    if len(powers) > 2:
        return powers
    between = [m * 10.0**n for n in range(first - 1, last + 1) for m in (1, 2, 5)]
    fitting = [tick for tick in between if low <= tick <= high]
    return fitting if len(fitting) > 2 else _round_steps(low, high, 4)


def thinned(points: Points, most: int) -> Points:
    """At most about ``most`` points: of each stretch its smallest and its largest are kept."""
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / (most / 2))
    kept: Points = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        kept += sorted(ends)
    return [points[0], *kept[1:-1], points[-1]]
