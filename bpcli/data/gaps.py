"""Gaps: missing cells, and numbers that are not finite. An error unless `missing:` allows them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpcli.data.scaling import blocks
from bpcli.data.sources import Examples, OptionError
from bpcli.data.sources.source import Array, Column, Numbers, RawTargets
from bpcli.errors import DataError


def usable_rows(examples: Examples, missing: str | None) -> Array | None:
    """The rows to work with, None for all.

    `drop` leaves out every example with a gap. `mean` keeps those with gaps in their inputs: they
    are filled later. Arrays that stay on disk are looked through for `drop` alone, otherwise batch
    by batch. Raises DataError at the first gap that is not allowed.
    """
    if missing == "drop":
        gaps = input_gaps(examples) | target_gaps(examples)
        if gaps.all():
            raise OptionError(
                "missing",
                f"`missing: drop` leaves nothing: all {len(examples):,} examples have gaps",
            )
        return np.flatnonzero(~gaps) if gaps.any() else None
    found = _first_target_gap(examples)
    if missing is None and not examples.mapped:
        found += _first_input_gaps(examples)
    if found:
        row, place = min(found)
        advice = _advice(missing, target=place < 0, prediction=examples.targets is None)
        raise DataError(f"{_located(examples, row, place)}; {advice}")
    return None


def _advice(missing: str | None, *, target: bool, prediction: bool) -> str:
    """What to do about a gap; a prediction is asked for every row, by a network that is trained."""
    if prediction:
        return "fill it, or train with `missing: mean`, which fills such values"
    if target and missing is not None:
        return "a target cannot be filled; say `missing: drop` to leave such rows out"
    mean = "" if target else " or `missing: mean` to fill them"
    return f"say `missing: drop` to leave such rows out{mean}"


def _located(examples: Examples, row: int, place: int) -> str:
    """Where a gap is and what stands there; targets have the places below 0."""
    if place < 0:
        assert examples.targets is not None
        target_names = examples.targets.names
        name = target_names[place % len(target_names)]
        located = examples.source.locate(row, name)
        return located if " holds " in located else f"{located} holds a target that is not finite"
    if isinstance(examples.inputs, tuple):
        return examples.source.locate(row, examples.inputs[place].name)
    value = examples.inputs[row].reshape(-1)[place]
    return f"{examples.source.locate(row)}: value {place} is {value}"


def target_gaps(examples: Examples) -> Array:
    """(examples,) of booleans: whether a target is missing."""
    if examples.targets is None:
        return np.zeros(len(examples), bool)
    gaps = np.zeros(len(examples), bool)
    for rows, mask in _target_masks(examples.targets):
        gaps[rows] = mask.any(axis=1)
    return gaps


def input_gaps(examples: Examples) -> Array:
    """(examples,) of booleans: whether an input is missing."""
    gaps = np.zeros(len(examples), bool)
    if isinstance(examples.inputs, tuple):
        for column in examples.inputs:
            gaps |= _column_mask(column)
    else:
        for rows, mask in _array_masks(examples.inputs):
            gaps[rows] |= mask.any(axis=1)
    return gaps


def _first_target_gap(examples: Examples) -> list[tuple[int, int]]:
    """(row, place below 0) of the first gap among the targets, if there is one."""
    targets = examples.targets
    if targets is None or (isinstance(targets.values, np.memmap) and targets.values.ndim > 1):
        return []
    for rows, mask in _target_masks(targets):
        for row, column in np.argwhere(mask)[:1]:
            return [(rows.start + int(row), int(column) - mask.shape[1])]
    return []


def _first_input_gaps(examples: Examples) -> Iterator[tuple[int, int]]:
    """(row, place) of the first gap of each column or block."""
    if isinstance(examples.inputs, tuple):
        for place, column in enumerate(examples.inputs):
            mask = _column_mask(column)
            if mask.any():
                yield int(mask.argmax()), place
        return
    for rows, mask in _array_masks(examples.inputs):
        if mask.any():
            row, place = np.argwhere(mask)[0]
            yield rows.start + int(row), int(place)
            return


def _column_mask(column: Column) -> Array:
    return ~np.isfinite(column.values) if isinstance(column, Numbers) else column.codes < 0


def _target_masks(targets: RawTargets) -> Iterator[tuple[slice, Array]]:
    """(rows, mask of their targets) a few megabytes at a time."""
    if targets.words is None:
        yield from _array_masks(targets.values)
        return
    yield slice(0, len(targets.values)), targets.values.reshape(len(targets.values), -1) < 0


def _array_masks(inputs: Array) -> Iterator[tuple[slice, Array]]:
    """(rows, mask of their values) a few megabytes at a time; nothing for whole numbers."""
    if inputs.dtype.kind != "f":
        return
    values = inputs.reshape(len(inputs), -1)
    for rows in blocks(*values.shape):
        yield rows, ~np.isfinite(values[rows])
