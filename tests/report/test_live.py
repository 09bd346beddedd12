"""The live view as lines, for screens of all sizes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bpcli.report.layout import plain
from bpcli.report.live import LiveState
from bpcli.report.progress import is_milestone
from bpcli.report.text import width
from bpcli.training import EpochEvent, StepEvent


def state_after(steps: int, layers: int) -> LiveState:
    state = LiveState("deep", 10, total_steps=1000, began=time.monotonic() - 2)
    for step in range(1, steps + 1):
        figures: list[dict[str, Any]] = [
            {"name": f"dense_{n}", "gradient_norm": 10.0**-n, "update_ratio": 1e-3}
            for n in range(1, layers + 1)
        ]
        state.stepped(StepEvent(step, 1 + step // 100, 2.0 / step, 0.1, 1.0, 32, figures))
    best = {"loss": 0.5, "accuracy": 0.75}
    state.epoch_ended(EpochEvent(1, steps, 0.1, {"loss": 0.6, "accuracy": 0.7}, best, True))
    return state


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("rows", [12, 24, 50])
@pytest.mark.parametrize("layers", [1, 3, 40])
def test_the_view_fits_the_screen(columns: int, rows: int, layers: int) -> None:
    lines = state_after(20, layers).view(columns, rows)
    assert len(lines) <= rows
    table = [line for line in lines if line and line[0].text.startswith("dense")]
    assert table
    assert max(width(line) for line in plain(lines).splitlines()) <= columns


def test_layers_that_do_not_fit_are_counted() -> None:
    text = plain(state_after(5, 40).view(80, 20))
    shown = text.count("dense_")
    assert f"… {40 - shown} more" in text
    assert "dense_1 " in text
    assert "dense_40" in text
    assert plain(state_after(5, 40).last_view(80)).count("dense_") == 40


def test_what_the_view_says(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_after(500, 2)
    monkeypatch.setattr("bpcli.report.live.time.monotonic", lambda: state.began + 2)
    text = plain(state.view(80, 24))
    assert "deep · epoch 6/10 · step 500/1,000" in text
    assert " 50%  8,000 examples/s  2 s left" in text
    assert "best: epoch 1" in text
    assert "1.0e-01" in text


def test_a_run_that_has_not_begun_can_be_shown() -> None:
    assert "starting" in plain(LiveState("new", 3, total_steps=30).view(80, 24))
    assert LiveState("new").last_view(80) == []


def test_milestones() -> None:
    shown = [epoch for epoch in range(1, 1001) if is_milestone(epoch)]
    assert shown == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
