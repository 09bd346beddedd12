"""Normalization layers: signals of one size at every depth."""

from __future__ import annotations

from bpcli.diagnosis.remedies.outline import AFFINE, NORMS, Outline
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change


def layer_norm(outline: Outline) -> Prescription | None:
    """One after every hidden affine layer, before its activation, where there is no norm yet."""
    changes = []
    for path, layers in outline.lists():
        by_index = {each.index: each for each in layers}
        for each in reversed(layers):
            near = (by_index.get(each.index - 1), by_index.get(each.index + 1))
            normed = any(other and other.name in NORMS for other in near)
            if each.name in AFFINE and each is not outline.output and not normed:
                changes.append(Change("insert", f"{path}.{each.index + 1}", "layer_norm"))
    return ("layer_norm before each activation", changes) if changes else None


def no_batch_norm(outline: Outline) -> Prescription | None:
    """Without skips, batch norm multiplies the gradient by up to √1.47 a layer (Yang et al.
    2019)."""
    norms = [each for each in outline.layers if each.name == "batch_norm" and not each.in_residual]
    ordered = sorted(norms, key=lambda each: (each.list_, -each.index))
    changes = [Change("remove", each.place) for each in ordered]
    return ("take batch_norm out", changes) if changes else None


def layer_for_batch(outline: Outline) -> Prescription | None:
    norms = [each for each in outline.layers if each.name == "batch_norm" and not each.in_residual]
    changes = [Change("set", each.place, "layer_norm") for each in norms]
    return ("batch_norm -> layer_norm", changes) if changes else None


LAYER_NORM = Treatment("layer norm", 3, layer_norm)
NO_BATCH_NORM = Treatment("no batch norm", 3, no_batch_norm)
LAYER_FOR_BATCH_NORM = Treatment("layer norm for batch norm", 2, layer_for_batch)
