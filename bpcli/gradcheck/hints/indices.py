"""The right numbers in the wrong places."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from bpcli.gradcheck.hints.case import Candidate, Case
from bpcli.network.layer import Array

_AXES = 5
_SHIFTS = (1, -1, 2, -2)
_LARGEST = 2048  # along an axis, for a search of permutations


def transposed(case: Case) -> Iterator[Candidate]:
    """Axes swapped, or elements read in another order."""
    numeric = case.numeric
    if not 2 <= numeric.ndim <= _AXES:
        return
    for order in itertools.permutations(range(numeric.ndim)):
        if order == tuple(range(numeric.ndim)):
            continue
        moved = numeric.transpose(order)
        swapped = ", ".join(map(str, order))
        text = "transposed" if numeric.ndim == 2 else f"axes in the order {swapped}"
        if moved.shape == numeric.shape:
            yield Candidate(text, moved)
        yield Candidate(f"{text}, then put into the shape again", moved.reshape(numeric.shape))


def reversed_order(case: Case) -> Iterator[Candidate]:
    """Back to front along some axes."""
    axes = [axis for axis in range(case.numeric.ndim) if case.numeric.shape[axis] > 1]
    for count in range(1, min(len(axes), 3) + 1):
        for chosen in itertools.combinations(axes, count):
            listed = " and ".join(map(str, chosen))
            yield Candidate(
                f"index reversed along axis {listed} (flipped)", np.flip(case.numeric, chosen)
            )


def shifted(case: Case) -> Iterator[Candidate]:
    """By one or two places, around the end or off it."""
    for axis, size in enumerate(case.numeric.shape):
        for shift in _SHIFTS:
            if size <= abs(shift):
                continue
            rolled = np.roll(case.numeric, shift, axis)
            places = "place" if abs(shift) == 1 else "places"
            text = f"index shifted by {shift:+d} {places} along axis {axis}"
            yield Candidate(text, rolled)
            ends = np.zeros(case.numeric.ndim, dtype=object)
            ends[...] = slice(None)
            ends[axis] = slice(0, shift) if shift > 0 else slice(shift, None)
            cut = rolled.copy()
            cut[tuple(ends)] = 0
            yield Candidate(text, cut)


def permuted(case: Case) -> Iterator[Candidate]:
    """The slices along an axis in another order."""
    for axis, size in enumerate(case.numeric.shape):
        if not 2 < size <= _LARGEST or case.numeric.size < 2 * size:
            continue
        order = _matching(case.analytic, case.numeric, axis)
        if order is not None:
            text = f"index permuted along axis {axis} (the order is {_shown(order)})"
            yield Candidate(text, np.take(case.numeric, order, axis), f"permuted along {axis}")


def _matching(analytic: Array, numeric: Array, axis: int) -> list[int] | None:
    """The order of the numeric slices that gives the analytic ones."""
    ours = np.moveaxis(analytic, axis, 0).reshape(analytic.shape[axis], -1)
    theirs = np.moveaxis(numeric, axis, 0).reshape(ours.shape)
    scale = np.abs(numeric).max()
    free = list(range(len(theirs)))
    order = []
    for row in ours:
        distances = [np.abs(theirs[i] - row).max() for i in free]
        nearest = int(np.argmin(distances))
        if not distances[nearest] <= 1e-6 * scale:
            return None
        order.append(free.pop(nearest))
    return None if order == sorted(order) else order


def _shown(order: list[int]) -> str:
    return " ".join(map(str, order[:8])) + (" ..." if len(order) > 8 else "")
