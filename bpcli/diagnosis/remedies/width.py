"""Wider layers: fewer units than inputs to tell apart lose what the others cannot restore."""

from __future__ import annotations

from bpcli.diagnosis.remedies.outline import Outline
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change

NARROW, WIDE = 8, 32


def wider(outline: Outline) -> Prescription | None:
    """Very narrow ReLU layers die at birth with a probability that grows with depth (Lu et al.
    2019); the gradient of any narrow chain varies as exp(Σ 1/width) does (Hanin 2018)."""
    narrow = [
        each
        for each in outline.hidden
        if each.name == "dense" and each.option("units") < NARROW
    ]  # fmt: skip
    changes = [Change("set", f"{each.options}.units", WIDE) for each in narrow]
    return (f"{WIDE} units in the narrow layers", changes) if changes else None


WIDER = Treatment("wider", 3, wider)
