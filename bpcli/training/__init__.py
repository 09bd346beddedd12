"""Training: the loop, its events, metrics, stopping, checkpoints and the run directory."""

from __future__ import annotations

from bpcli.training.environment import describe_environment
from bpcli.training.events import EpochEvent, Listener, NonFinite, Outcome, Recorder, StepEvent
from bpcli.training.metrics import evaluate
from bpcli.training.resuming import check_resumable
from bpcli.training.run_directory import RunDirectory
from bpcli.training.stepper import Stepper
from bpcli.training.trainer import Trainer

__all__ = [
    "EpochEvent",
    "Listener",
    "NonFinite",
    "Outcome",
    "Recorder",
    "RunDirectory",
    "StepEvent",
    "Stepper",
    "Trainer",
    "check_resumable",
    "describe_environment",
    "evaluate",
]
