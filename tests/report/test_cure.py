"""The score of training that did not stay finite is none, and none is printed for it."""

from __future__ import annotations

from bpcli.diagnosis.candidates import Candidate
from bpcli.diagnosis.trial import Score, Trial
from bpcli.report.cure import _score, _spread
from bpcli.spec import parse_spec

SPEC = parse_spec("{data: {generate: xor}, network: [{dense: 1}], loss: mse}")


def candidate(*scores: float | None) -> Candidate:
    trials = []
    for seed, score in enumerate(scores):
        trial = Trial(seed, 10, scores=[Score(10, 1.0, score if score is not None else 0.5)])
        trial.non_finite = object() if score is None else None  # type: ignore[assignment]
        trials.append(trial)
    return Candidate((), "", (), SPEC, trials)


def test_what_did_not_stay_finite_has_no_score() -> None:
    lost, some, sound = candidate(None, None, None), candidate(0.5, None, 0.7), candidate(-1.0)
    assert _score(lost) == "–"
    assert _score(some) != "–"
    assert _spread(lost, some) == "by seed – – –; 0.500 – 0.700"
    assert _score(sound) == "-1.000"  # R² may be that low
