"""What the outputs of an activation say of its units: which are saturated, which dead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpcli.diagnosis.kinds import Range
from bpcli.diagnosis.statistics import Array, mean, share_beyond
from bpcli.network.sums import column_sums
from bpcli.training.checkpoint import check_alike

_VALUES, _FEWEST, _MOST = 8192, 16, 64  # looked at for shares and means: enough for two digits
_WINDOW = 512  # examples that a unit must have been silent on to count as dead
_ENOUGH = 32  # in the beginning: of units that are active on a tenth of them, 3% are silent on all


def some_rows(outputs: Array) -> Array:
    """The first 16 to 64 examples of a batch, as many as have 8,192 values."""
    values = outputs.size // max(len(outputs), 1)
    return outputs[: min(_MOST, max(_FEWEST, _VALUES // max(values, 1)))]


def sample_mean(outputs: Array) -> float:
    """mean(y) over some examples, as one product with ones."""
    rows = some_rows(outputs)
    total = float(column_sums(rows.reshape(-1, 1))[0])
    return total / max(rows.size, 1) if math.isfinite(total) else mean(rows)


class Activity:
    """Which units were above 0 on any example of a window of examples, and of the one before."""

    def __init__(self) -> None:
        self.share: float | None = None  # that is dead; None while too few examples say so
        self.seen = 0  # examples of this window
        self.now: Array | None = None
        self.before: Array | None = None

    def add(self, outputs: Array) -> None:
        """``share`` becomes that of the units that were never active, this batch included.

        Takes (examples, ..., units) that are never negative: their sum is 0 where all of them are.
        """
        active = column_sums(outputs.reshape(-1, outputs.shape[-1])) > 0
        self.now = active if self.now is None else self.now | active
        self.seen += len(outputs)
        alive = self.now if self.before is None else self.now | self.before
        if self.before is not None or self.seen >= _ENOUGH:
            self.share = 1 - float(np.count_nonzero(alive)) / alive.size
        if self.seen >= _WINDOW:
            self.before, self.now, self.seen = self.now, None, 0

    def state(self) -> dict[str, Any]:
        return {"share": self.share, "seen": self.seen, "now": self.now, "before": self.before}

    def restore(self, state: Mapping[str, Any], units: int) -> None:
        """Takes up what :meth:`state` gave; raises ValueError unless it was of as many units."""
        for active in (state["now"], state["before"]):
            if active is not None:
                check_alike(np.zeros(units, bool), active)
        self.share, self.seen = state["share"], state["seen"]
        self.now, self.before = state["now"], state["before"]


@dataclass
class ActivationShares:
    """Adds ``saturated`` and ``dead_units`` of an activation to the figures of its ``owner``."""

    owner: str  # the layer before it
    bounds: Range | None  # at or beyond them it is saturated; None where it cannot be
    dies: bool
    activity: Activity = field(default_factory=Activity)

    def look(self, outputs: Array, figures: dict[str, Any], *, renew: bool) -> None:
        if self.bounds is not None:
            figures["saturated"] = share_beyond(some_rows(outputs), *self.bounds)
        if self.dies:
            if renew:
                self.activity.add(outputs)
            figures["dead_units"] = self.activity.share
