"""Biases that start at zero: none that holds units in a flat part of their activation."""

from __future__ import annotations

from bpcli.diagnosis.remedies.outline import AFFINE, RECURRENT, Outline
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change


def zero(outline: Outline) -> Prescription | None:
    """Takes away every init of a bias that is not zeros."""
    changes = [
        Change("remove", f"{written.options}.bias")
        for written in outline.layers
        if written.name in AFFINE | RECURRENT
        and not isinstance(written.option("bias"), bool)
        and written.option("bias").name != "zeros"
    ]
    return ("start the biases at zero", changes) if changes else None


ZERO_BIAS = Treatment("zero biases", 1, zero)
