"""What is kept of the steps between two recorded ones."""

from __future__ import annotations

from typing import Any


class Extremes:
    """The smallest and largest loss and gradient norm of the steps that nobody recorded."""

    def __init__(self) -> None:
        self.ranges: dict[str, list[float]] = {}

    def add(self, loss: float, gradient_norm: float) -> None:
        for name, value in (("loss", loss), ("gradient_norm", gradient_norm)):
            low, high = self.ranges.get(name, (value, value))
            self.ranges[name] = [min(low, value), max(high, value)]

    def taken(self) -> dict[str, Any]:
        """What was kept since the last line, which begins anew."""
        kept, self.ranges = self.ranges, {}
        return {"extremes": kept} if kept else {}
