"""Writes what happens in a run into its directory."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bpcli.training.events import EpochEvent, Listener, Outcome, StepEvent
from bpcli.training.run_directory import RunDirectory


class RunLog(Listener):
    """`metrics.jsonl` a line an epoch, `gradients.jsonl` a line a recorded step, `summary.json`.

    Lines hold no clock values: a resumed run writes those of the uninterrupted one.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.began = _now()

    def recorded(self, step: StepEvent) -> None:
        """Like ``stepped``, for recorded steps alone."""
        line = {
            "step": step.step,
            "epoch": step.epoch,
            "loss": step.loss,
            "learning_rate": step.learning_rate,
            "gradient_norm": step.gradient_norm,
            "layers": step.layers,
        }
        between = {"extremes": step.extremes} if step.extremes else {}
        self.run.gradients.append(line | between)

    def epoch_ended(self, epoch: EpochEvent) -> None:
        line = {"epoch": epoch.epoch, "step": epoch.step, "learning_rate": epoch.learning_rate}
        validation = {"validation": epoch.validation} if epoch.validation is not None else {}
        self.run.metrics.append({**line, "train": epoch.train, **validation, "best": epoch.best})

    def finished(self, outcome: Outcome) -> None:
        self.run.write_summary(
            {
                "reason": outcome.reason,
                "epochs": outcome.epochs,
                "steps": outcome.steps,
                "best": outcome.best,
                **outcome.figures,
                **_stopped(outcome),
                "started": self.began,
                "finished": _now(),
            }
        )


def _stopped(outcome: Outcome) -> dict[str, Any]:
    found = outcome.non_finite
    return {"stopped_by": asdict(found) | {"message": found.message}} if found else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
