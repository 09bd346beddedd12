"""Whether training fails: what a run that was cut short may be judged by."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from bpcli.data import load_data
from bpcli.diagnosis.reference import Expectation, expectation
from bpcli.diagnosis.thresholds import Thresholds
from bpcli.diagnosis.trial import Score, Trial, look_steps, scored_steps
from bpcli.diagnosis.verdict import verdict
from bpcli.spec import parse_spec

CHANCE = 2.3
# ten classes; a plain learner takes half of the loss in as many steps, and knows 60%
EXPECTED = Expectation(CHANCE, 0.1, 0.5, 0.6, 0.01)
BLIND = Expectation(CHANCE, 0.1, 0.01, 0.1, 0.01)  # where a plain learner does no better


def trial(first: float, last: float, *, steps: int = 60, total: int = 1000) -> Trial:
    """Losses that change by as much a step, with noise of 0.02; a score of chance."""
    noise = np.random.default_rng(0).normal(0, 0.02, steps)
    losses = [float(loss) for loss in np.linspace(first, last, steps) + noise]
    return Trial(0, total, losses=losses, scores=[Score(steps, last, 0.1)])


@pytest.mark.parametrize(
    ("first", "last", "expected", "fails"),
    [
        (2.32, 2.20, EXPECTED, False),  # slow, but 0.12 in 60 of 1,000 steps leads somewhere
        (2.303, 2.300, EXPECTED, True),  # stands still
        (4.8, 4.0, EXPECTED, None),  # far above chance: as yet it only unlearns its start
        (2.8, 2.799, EXPECTED, True),
        (2.303, 2.300, BLIND, None),  # nobody learns here in so few steps
        (9.0, 9.5, BLIND, True),
    ],
)
def test_a_run_that_was_cut_short(
    first: float, last: float, expected: Expectation, fails: bool | None
) -> None:
    assert verdict([trial(first, last)], expected, Thresholds()).fails is fails


@pytest.mark.parametrize(("first", "last", "fails"), [(2.1, 1.9, False), (2.0, 2.0, True)])
def test_a_run_that_stopped_halfway(first: float, last: float, fails: bool) -> None:
    """At a quarter of the way and of the steps: one still learns, one has stopped."""
    halfway = trial(first, last, total=240)
    halfway.scores[0] = Score(60, last, 0.22)
    assert verdict([halfway], EXPECTED, Thresholds()).fails is fails


def test_a_whole_run_is_judged_by_where_it_ended() -> None:
    slow = trial(2.32, 2.20, total=60)
    assert verdict([slow], EXPECTED, Thresholds()).fails is True


def test_few_updates_say_nothing() -> None:
    short = trial(2.303, 2.302, steps=9, total=9)
    assert verdict([short], EXPECTED, Thresholds()).fails is None


@pytest.mark.parametrize(
    ("network", "learns"),
    [
        ("[{dense: 2}]", False),
        ("[{dense: 16}, batch_norm, {dropout: 0.1}, {dense: 2}]", False),
        ("[{dense: 2}, softmax]", False),
        ("[{dense: 16}, relu, {dense: 2}]", True),
        ("[{residual: [{dense: 2}, tanh]}, {dense: 2}]", True),
        ("[{dense: 16}, layer_norm, {dense: 2}]", True),
    ],
)
def test_a_linear_network_is_held_against_a_linear_learner(network: str, learns: bool) -> None:
    """Circles within each other are beyond any line."""
    spec = parse_spec(f"""\
data: {{generate: {{circles: {{samples: 300, noise: 0.05}}}}, split: {{validation: 0.3}}}}
network: {network}
loss: cross_entropy
""")
    found = expectation(spec, load_data(spec), 300)
    assert found.learned_score > 0.9 if learns else found.learned_score < 0.7


@pytest.mark.parametrize("steps", [1, 7, 60, 1000])
def test_scores_take_no_longer_than_the_steps(steps: int) -> None:
    looks = look_steps(steps)
    scored = scored_steps(steps, looks, steps_a_score=20.0)
    assert steps in scored
    assert scored <= looks
    assert len(scored) <= max(3, steps // 20)
    assert all(after - before >= 1 for before, after in pairwise(sorted(scored)))
