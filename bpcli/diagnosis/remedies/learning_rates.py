"""Other learning rates: the usual one, and in steps of a factor."""

from __future__ import annotations

import math

from bpcli.diagnosis.remedies.outline import Outline
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change

# where each optimizer does well with most networks
USUAL = {"sgd": 0.05, "rmsprop": 0.001, "adagrad": 0.01, "adam": 0.001, "adamw": 0.001}


def is_rate(treatment: Treatment) -> bool:
    return "learning rate" in treatment.name


def times(factor: float) -> Treatment:
    """The learning rate times a factor."""

    def prescribe(outline: Outline) -> Prescription | None:
        return _set(outline, outline.spec.optimizer.learning_rate * factor)

    return Treatment(f"learning rate times {factor:g}", 1, prescribe)


def at(rate: float) -> Treatment:
    """That learning rate."""
    return Treatment("learning rate", 1, lambda outline: _set(outline, rate))


def _usual(outline: Outline) -> Prescription | None:
    return _set(outline, USUAL[outline.spec.optimizer.name])


def _set(outline: Outline, rate: float) -> Prescription | None:
    """With one digit: a learning rate is never known better."""
    optimizer, new = outline.spec.optimizer, float(f"{rate:.0e}")
    if math.isclose(new, optimizer.learning_rate, rel_tol=0.05):
        return None
    path = f"optimizer.{optimizer.name}.learning_rate"
    said = f"learning rate {optimizer.learning_rate:g} -> {new:g}"
    return said, [Change("set", path, new)]


USUAL_RATE = Treatment("usual learning rate", 1, _usual)
LOWER = tuple(times(factor) for factor in (0.1, 0.01, 0.3, 0.03, 0.001))
HIGHER = tuple(times(factor) for factor in (10.0, 100.0, 3.0, 30.0, 1000.0))
