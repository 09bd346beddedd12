"""Whether training fails, judged by what it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bpcli.diagnosis.reference import Expectation
from bpcli.diagnosis.statistics import median
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
    complete = all(trial.complete for trial in trials)
    fails = _fails(share, loss_share, removed, complete=complete, thresholds=thresholds)
    if 2 * sum(trial.non_finite is not None for trial in trials) > len(trials):
        fails = True
    return Verdict(fails, share, loss_share, removed)


def _fails(
    share: float | None,
    loss_share: float | None,
    removed: float,
    *,
    complete: bool,
    thresholds: Thresholds,
) -> bool | None:
    if not complete:
        known = [each for each in (share, loss_share) if each is not None]
        if not known:
            return removed < thresholds.still_share or None
        return max(known) < thresholds.unfinished_share
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
