"""Residual paths: a way back on which the gradient arrives whole."""

from __future__ import annotations

from bpcli.diagnosis.remedies.outline import ACTIVATIONS, AFFINE, NORMS, Outline, Written
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change

_FEWEST = 2  # blocks; a single one changes little


def residual(outline: Outline) -> Prescription | None:
    """Around each block of an affine layer with its norm and activation that keeps its shape.

    A block without a norm gets a layer_norm at its start, or the sum would grow with depth.
    """
    changes: list[Change] = []
    blocks = 0
    for path, layers in outline.lists():
        if ".residual." in path:
            continue
        times = _times(outline, path)
        for block in reversed(_blocks(layers, outline.output)):
            start, stop = block[0].index, block[-1].index + 1
            whole = len(layers) == stop - start and path != "network"
            place = path if whole else f"{path}.{start}:{stop}"
            changes.append(Change("wrap", place, "residual"))
            if not any(each.name in NORMS for each in block):
                wrapped = f"{path}.0" if whole else f"{path}.{start}"
                changes.append(Change("insert", f"{wrapped}.residual.layers.0", "layer_norm"))
            blocks += times
    return ("a residual path around each block", changes) if blocks >= _FEWEST else None


def _times(outline: Outline, path: str) -> int:
    """Copies of what is written in a list, as far as the repeat right around it makes them."""
    parts = path.split(".")
    if parts[-2:] != ["repeat", "layers"] or len(parts) != 4:
        return 1
    return int(getattr(outline.spec.network[int(parts[1])], "times", 1))


def _blocks(layers: list[Written], output: Written | None) -> list[list[Written]]:
    """Neighbours that keep the shape, cut so that each has one affine layer, its norms before it
    and its activation after it."""
    found: list[list[Written]] = [[]]
    for each in layers:
        block = found[-1]
        if not _usable(each, output):
            found.append([])
        elif each.name in AFFINE | NORMS and _has_affine(block):
            found.append([each])
        elif each.name in AFFINE | NORMS or block:  # a block begins with neither bend nor dropout
            block.append(each)
    return [block for block in found if _has_affine(block)]


def _usable(each: Written, output: Written | None) -> bool:
    known = each.name in AFFINE | ACTIVATIONS | NORMS | {"dropout"}
    return known and each.keeps_shape and each is not output


def _has_affine(block: list[Written]) -> bool:
    return any(each.name in AFFINE for each in block)


RESIDUAL = Treatment("residual", 3, residual)
