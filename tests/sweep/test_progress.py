"""What a sweep says before, while and after it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from cli.program import write_spec

from bpcli.cli.commands import sweep as command
from bpcli.report.sweep import plan, summary
from bpcli.report.text import duration
from bpcli.spec.load import load_template
from bpcli.sweep import estimate
from bpcli.sweep.axes import parse_axis
from bpcli.sweep.jobs import Job
from bpcli.sweep.sweep import Progress, Sweep


class Said(list[str]):
    def say(self, line: str) -> None:
        self.append(line)


def sweep_of(folder: Path, *settings: str) -> Sweep:
    template = load_template(write_spec(folder))
    return Sweep(template, [parse_axis("seed=0..9")], settings=settings)


def test_time_left_does_not_count_the_start_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    reporter: Any = command._Reporter(said)  # type: ignore[arg-type]
    for now, done in ((100.0, 1), (101.0, 2), (103.0, 10)):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        reporter({"seconds": 0.5}, Progress(10, done=done, failed=done == 10))
    assert said == [f"1 of 10 jobs, {duration(4.5)} left", "10 of 10 jobs, 1 failed"]


def test_a_long_job_is_estimated_by_one_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def run(job: Job) -> dict[str, float]:
        ran.append(job.spec.training.epochs)
        return {"seconds": 0.1 * job.spec.training.epochs}

    monkeypatch.setattr(estimate, "run", run)
    for epochs, expected in ((100, [1]), (10, [1, 10, 1, 10]), (1, [1, 1])):
        ran.clear()
        sweep = sweep_of(tmp_path, f"training.epochs={epochs}")
        assert estimate.seconds_of_a_job(sweep) == pytest.approx(0.1 * epochs)
        assert ran == expected


def test_an_estimate_of_jobs_that_fail_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "run", lambda job: {"seconds": 0.1, "error": "no"})
    assert estimate.seconds_of_a_job(sweep_of(tmp_path)) is None


def test_the_ends_of_a_long_range_are_shown(tmp_path: Path) -> None:
    template = load_template(write_spec(tmp_path))
    rates = parse_axis("optimizer.adam.learning_rate=1e-4..1/log40")
    varied: Any = plan(Sweep(template, [rates]), 40, 1.0, 2).blocks[1]
    assert varied.rows[0][1] == "0.0001, 0.0001266, 0.0001604, ... 1 (40 values)"


def test_no_table_where_every_job_failed() -> None:
    rows = [{"job": 1, "seed": 1, "error": "no", "seconds": 0.1}]
    found = summary(rows, ["seed"], Progress(1, done=1, failed=1), "out", "seconds")
    assert len(found.blocks) == 2  # the failure and the counts
