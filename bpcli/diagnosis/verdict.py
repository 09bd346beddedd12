"""Whether training fails, judged by what it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bpcli.diagnosis.reference import Expectation
from bpcli.diagnosis.statistics import fit_line, median
from bpcli.diagnosis.thresholds import Thresholds
from bpcli.diagnosis.trial import Trial


@dataclass(frozen=True)
class Verdict:
    """``fails``: whether it does, None where nothing can be said. ``share``: of the way from chance
    to a plain learner's score, ``loss_share``: the same of the training loss, ``removed``: the
    share of chance's loss that is gone."""

    fails: bool | None = None
    share: float | None = None
    loss_share: float | None = None
    removed: float | None = None


def verdict(trials: Sequence[Trial], expected: Expectation, thresholds: Thresholds) -> Verdict:
    """By the median of the trials."""
    if not trials:
        return Verdict()
    shares = [expected.share_of_score(trial.best_score) for trial in trials]
    loss_shares = [expected.share_of_loss(trial.last_loss) for trial in trials]
    removed = median(expected.removed(trial.last_loss) for trial in trials)
    share = _median(shares)
    loss_share = _median(loss_shares)
    fails: bool | None
    if max(trial.steps for trial in trials) < thresholds.fewest_steps:
        fails = None
    elif all(trial.complete for trial in trials):
        fails = _fails(share, loss_share, removed, thresholds)
    else:
        pace = Pace.of(trials, expected, thresholds)
        fails = _fails_so_far(share, loss_share, removed, pace, thresholds)
    if 2 * sum(trial.non_finite is not None for trial in trials) > len(trials):
        fails = True
    return Verdict(fails, share, loss_share, removed)


class Pace(NamedTuple):
    """Where a run that was cut short is heading."""

    falls: bool  # the loss, clearly
    arrives: bool  # at this pace it gets, by its end, half as far as a plain learner did so far
    below_chance: bool

    @classmethod
    def of(cls, trials: Sequence[Trial], expected: Expectation, thresholds: Thresholds) -> Pace:
        paces = [_pace(trial, expected, thresholds) for trial in trials]
        return cls(*(2 * sum(votes) > len(paces) for votes in zip(*paces, strict=True)))


def _pace(trial: Trial, expected: Expectation, thresholds: Thresholds) -> Pace:
    """By the line through the losses of the steps after the first third, if it clearly falls."""
    losses = trial.losses[trial.steps // 3 :]
    line = fit_line([float(n) for n in range(len(losses))], losses)
    if line is None or not line.slope < -thresholds.slope_errors * line.error:
        return Pace(False, False, False)
    now = line.intercept + line.slope * (len(losses) - 1)
    end = now + line.slope * (trial.total_steps - trial.steps)
    wanted = thresholds.still_share
    if expected.share_of_loss(now) is not None:
        wanted = max(wanted, thresholds.failing_share * expected.learned_loss_share)
    return Pace(True, expected.removed(end) >= wanted, now < expected.chance_loss)


def _fails_so_far(
    share: float | None,
    loss_share: float | None,
    removed: float,
    pace: Pace,
    thresholds: Thresholds,
) -> bool | None:
    """A run that was cut short may only be slow, or at its warm-up: one that is behind fails if it
    does not get on, far behind if that is too slow. Above chance nothing is learned yet, however
    fast the loss falls there."""
    known = [each for each in (share, loss_share) if each is not None]
    if known and max(known) >= thresholds.unfinished_share:
        return max(known) < thresholds.failing_share and not pace.falls
    if pace.arrives:
        return False if pace.below_chance else None
    if known:
        return True
    return removed < -thresholds.failing_share or None


def _fails(
    share: float | None, loss_share: float | None, removed: float, thresholds: Thresholds
) -> bool | None:
    if share is not None:  # a training loss that falls without the score is no fault of the flow
        learns = loss_share is not None and loss_share >= thresholds.failing_share
        return share < thresholds.failing_share and not learns
    # the plain learner's score is no better than chance: it may be the data, unless the loss stays
    # where a constant's is although the learner's falls, or is worse than that
    if removed < -thresholds.still_share:
        return True
    if loss_share is None:
        return None
    return removed < thresholds.still_share


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known and not any(map(math.isnan, known)) else None
