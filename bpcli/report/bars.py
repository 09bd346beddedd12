"""Horizontal bars on a logarithmic scale, with a mark for what was expected."""

from __future__ import annotations

import math

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MARK = "│"


class LogarithmicScale:
    """From the smallest to the largest value, both with a bar that can be seen."""

    def __init__(self, values: list[float | None], columns: int) -> None:
        known = [math.log(value) for value in values if value is not None and 0 < value < math.inf]
        self.columns = columns
        self.low, self.high = (min(known), max(known)) if known else (0.0, 0.0)
        if self.high - self.low < 1.0:  # less than a factor e: nothing to see
            self.low = self.high - 1.0

    def length(self, value: float | None) -> float:
        """Columns of a bar: one eighth for the smallest value, all for the largest; 0 for none."""
        if value is None or not value > 0 or math.isnan(value):
            return 0.0
        share = (math.log(min(value, 1e300)) - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0) * (self.columns - 0.125) + 0.125

    def bar(self, value: float | None, expected: float | None = None) -> str:
        """The bar of a value; where the expected one's would end elsewhere, a │ stands there."""
        length = self.length(value)
        whole = int(length)
        text = "█" * whole + _EIGHTHS[int((length - whole) * 8)].strip()
        if expected is None:
            return text
        place = min(int(self.length(expected)), self.columns - 1)
        if place >= len(text):
            return text + " " * (place - len(text)) + _MARK
        return text if place >= whole - 1 else text[:place] + _MARK + text[place + 1 :]
