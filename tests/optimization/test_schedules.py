"""Schedules against their closed forms and PyTorch's."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bpcli.optimization import make_schedule
from bpcli.spec.optimization import (
    SCHEDULES,
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    OneCycle,
    Plateau,
    Schedule,
    StepDecay,
)

REFERENCE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "reference" / "optimizers.json").read_text(encoding="utf-8")
)
RATE = REFERENCE["learning_rate"]
AS_PYTORCH = {
    "step": (StepDecay(every=7, factor=0.3), 30),
    "exponential": (ExponentialDecay(factor=0.97, every=1), 30),
    "cosine": (CosineDecay(final=0.1), 30),
    "linear": (LinearDecay(final=0.2), 30),
    "one_cycle": (OneCycle(), 31),
}


@pytest.mark.parametrize("name", AS_PYTORCH)
def test_rates_are_pytorchs(name: str) -> None:
    options, total = AS_PYTORCH[name]
    schedule = make_schedule(options, RATE, total)
    rates = [schedule.rate(step) for step in range(30)]
    assert rates == pytest.approx(REFERENCE["schedules"][name], rel=1e-12)


def test_plateau_is_pytorchs() -> None:
    schedule = make_schedule(Plateau(patience=2, factor=0.5, min_delta=0.01), RATE, 100)
    rates = []
    for loss in REFERENCE["plateau"]["losses"]:
        schedule.epoch_ended(loss)
        rates.append(schedule.rate(0))
    assert rates == pytest.approx(REFERENCE["plateau"]["rates"], rel=1e-12)


def test_plateau_goes_on_where_it_was() -> None:
    losses = REFERENCE["plateau"]["losses"]
    options = Plateau(patience=2, factor=0.5, min_delta=0.01)
    for cut in range(len(losses)):
        first, second = make_schedule(options, RATE, 100), make_schedule(options, RATE, 100)
        for loss in losses[:cut]:
            first.epoch_ended(loss)
        second.restore(json.loads(json.dumps(first.state())))
        for loss in losses[cut:]:
            second.epoch_ended(loss)
        assert second.rate(0) == pytest.approx(REFERENCE["plateau"]["rates"][-1], rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warmup_rises_linearly_to_where_the_schedule_begins(name: str) -> None:
    plain = make_schedule(SCHEDULES[name](), 0.1, 20)
    warm = make_schedule(SCHEDULES[name](warmup_steps=4), 0.1, 24)
    begin = plain.rate(0)
    expected = [begin * share / 5 for share in (1, 2, 3, 4)]
    assert [warm.rate(step) for step in range(4)] == pytest.approx(expected, rel=1e-12)
    assert [warm.rate(step + 4) for step in range(20)] == [plain.rate(step) for step in range(20)]


def test_closed_forms() -> None:
    assert make_schedule(ConstantRate(), 0.3, 10).rate(9) == 0.3
    cosine = make_schedule(CosineDecay(), 2.0, 11)
    assert cosine.rate(0) == 2.0
    assert cosine.rate(5) == pytest.approx(1.0)
    assert cosine.rate(10) == pytest.approx(0.0, abs=1e-15)
    assert cosine.rate(3) == pytest.approx(1 + math.cos(0.3 * math.pi))
    exponential = make_schedule(ExponentialDecay(factor=0.25, every=10), 1.0, 100)
    assert exponential.rate(5) == pytest.approx(0.5)
    cycle = make_schedule(OneCycle(rise=0.5, start=0.1, final=0.01), 1.0, 22)
    assert cycle.rate(0) == pytest.approx(0.1)
    assert cycle.rate(10) == pytest.approx(1.0)
    assert cycle.rate(21) == pytest.approx(0.01)


@pytest.mark.parametrize("rise", [0.05, 0.3, 0.95])
@pytest.mark.parametrize("total", [1, 2, 10])
def test_one_cycle_ends_at_its_final_rate(rise: float, total: int) -> None:
    cycle = make_schedule(OneCycle(rise=rise, start=0.1, final=0.01), 1.0, total)
    assert cycle.rate(total - 1) == pytest.approx(0.01)


@pytest.mark.parametrize("options", [CosineDecay(final=0.1), LinearDecay(final=0.1)])
@pytest.mark.parametrize("total", [2, 10])
def test_decay_ends_at_its_final_rate(options: Schedule, total: int) -> None:
    assert make_schedule(options, 1.0, total).rate(total - 1) == pytest.approx(0.1)


@pytest.mark.parametrize("options", [CosineDecay(final=0.1), LinearDecay(final=0.1), OneCycle()])
def test_after_the_last_step_a_rate_stays(options: Schedule) -> None:
    schedule = make_schedule(options, 1.0, 20)
    assert schedule.rate(25) == schedule.rate(19)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("warmup_steps", [0, 1, 5])
def test_the_shortest_runs_have_a_rate(name: str, total: int, warmup_steps: int) -> None:
    schedule = make_schedule(SCHEDULES[name](warmup_steps=warmup_steps), 0.1, total)
    for step in range(total + 1):
        rate = schedule.rate(step)
        assert type(rate) is float
        assert 0 <= rate <= 0.1
    assert schedule.rate(0) > 0
