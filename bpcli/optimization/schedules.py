"""Schedules: the learning rate η(k) of step k, counted from 0.

Let η be the optimizer's learning rate and w the `warmup_steps`. The first w steps rise linearly to
where the schedule s begins, and s runs over the n = total - w steps that remain:

    η(k) = s(0) (k + 1) / (w + 1)  for k < w,        η(k) = s(k - w)  from then on

No step is wasted on a rate of 0, and step w is the first at the full rate. Below, k counts from
the end of the warm-up, and "the last step" is k = n - 1.
"""

from __future__ import annotations

import math
from typing import Any

from bpcli.spec import optimization as spec


class Schedule:
    """Constant: s(k) = η."""

    def __init__(self, options: Any, learning_rate: float, total_steps: int) -> None:
        self.options, self.learning_rate = options, learning_rate
        self.warmup_steps: int = options.warmup_steps
        self.steps: int = max(1, total_steps - self.warmup_steps)

    def rate(self, step: int) -> float:
        """The learning rate of the step, counted from 0."""
        if step < self.warmup_steps:
            return self.after_warmup(0) * (step + 1) / (self.warmup_steps + 1)
        return self.after_warmup(step - self.warmup_steps)

    def after_warmup(self, k: int) -> float:
        """s(k)."""
        return self.learning_rate

    def epoch_ended(self, loss: float) -> None:
        """Told the validation loss (without such a part, the training loss) of each epoch."""

    def state(self) -> dict[str, Any]:
        """What must be saved besides the number of steps."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what :meth:`state` gave."""

    def progress(self, k: int) -> float:
        """0 at the first step, 1 at the last."""
        return min(1.0, k / max(1, self.steps - 1))


class StepDecay(Schedule):
    """s(k) = η factor^⌊k / every⌋."""

    def after_warmup(self, k: int) -> float:
        return float(self.learning_rate * self.options.factor ** (k // self.options.every))


class ExponentialDecay(Schedule):
    """s(k) = η factor^(k / every)."""

    def after_warmup(self, k: int) -> float:
        return float(self.learning_rate * self.options.factor ** (k / self.options.every))


class CosineDecay(Schedule):
    """s(k) = η (f + (1 - f) ½ (1 + cos π k / (n - 1))), f the option `final`.

    (Loshchilov & Hutter 2017, without restarts.)
    """

    def after_warmup(self, k: int) -> float:
        return _cosine(
            self.learning_rate, self.learning_rate * self.options.final, self.progress(k)
        )


class LinearDecay(Schedule):
    """s(k) = η (1 - (1 - f) k / (n - 1)), f the option `final`."""

    def after_warmup(self, k: int) -> float:
        return float(self.learning_rate * (1 - (1 - self.options.final) * self.progress(k)))


class OneCycle(Schedule):
    """Half a cosine up from η `start` to η at k = `rise` n - 1, and one down to η `final` at the
    last step (Smith & Topin 2018; the phases are PyTorch's)."""

    def after_warmup(self, k: int) -> float:
        top, last = self.learning_rate, self.steps - 1
        peak = self.options.rise * self.steps - 1
        if k < peak:
            return _cosine(top * self.options.start, top, k / peak)
        return _cosine(top, top * self.options.final, min(1.0, (k - peak) / (last - peak)))


def _cosine(start: float, end: float, share: float) -> float:
    return float(end + (start - end) * 0.5 * (1 + math.cos(math.pi * share)))


class Plateau(Schedule):
    """s = η factorʳ, r the number of plateaus so far.

    A plateau is more than `patience` epochs in a row, each with loss >= best (1 - `min_delta`);
    the count then starts again (as PyTorch's ReduceLROnPlateau).
    """

    def __init__(self, options: Any, learning_rate: float, total_steps: int) -> None:
        super().__init__(options, learning_rate, total_steps)
        self.best: float | None = None
        self.waited = self.plateaus = 0

    def after_warmup(self, k: int) -> float:
        return float(self.learning_rate * self.options.factor**self.plateaus)

    def epoch_ended(self, loss: float) -> None:
        if self.best is None or loss < self.best * (1 - self.options.min_delta):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.options.patience:
            self.plateaus, self.waited = self.plateaus + 1, 0

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "plateaus": self.plateaus}

    def restore(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
        self.waited, self.plateaus = state["waited"], state["plateaus"]


_SCHEDULES: dict[type[spec.Schedule], type[Schedule]] = {
    spec.ConstantRate: Schedule,
    spec.StepDecay: StepDecay,
    spec.ExponentialDecay: ExponentialDecay,
    spec.CosineDecay: CosineDecay,
    spec.LinearDecay: LinearDecay,
    spec.OneCycle: OneCycle,
    spec.Plateau: Plateau,
}


def make_schedule(options: spec.Schedule, learning_rate: float, total_steps: int) -> Schedule:
    """The schedule with these options over a run of that many steps."""
    return _SCHEDULES[type(options)](options, learning_rate, total_steps)
