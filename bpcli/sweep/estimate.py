"""How long a sweep will take, from one or two of its jobs."""

from __future__ import annotations

from dataclasses import replace

from bpcli.sweep.jobs import Job
from bpcli.sweep.sweep import Sweep
from bpcli.sweep.work import read_data, run

_SOON = 5.0  # seconds


def seconds_of_a_job(sweep: Sweep) -> float | None:
    """The mean of the first job and, where that is soon done, the last, run here; None where they
    fail."""
    times = [_seconds_of(sweep.job(0))]
    if times[0] is None or times[0] < _SOON:
        times.append(_seconds_of(sweep.job(sweep.count - 1)))
    known = [seconds for seconds in times if seconds is not None]
    return sum(known) / len(known) if known else None


def _seconds_of(job: Job) -> float | None:
    """Of the whole job, or of one epoch times their number where the whole would take long."""
    read_data(job)
    epochs = job.spec.training.epochs
    if job.do == "train" and epochs > 1:
        training = replace(job.spec.training, epochs=1)
        seconds = _timed(replace(job, spec=replace(job.spec, training=training)))
        if seconds is None or seconds * epochs > _SOON:
            return seconds and seconds * epochs
    return _timed(job)


def _timed(job: Job) -> float | None:
    line = run(job)
    return None if "error" in line else float(line["seconds"])
