"""Sums over the wrong axes, and contributions that overwrite each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from bpcli.gradcheck.hints.case import Candidate, Case
from bpcli.network.layer import Array


def too_many_axes(case: Case) -> Iterator[Candidate]:
    """Summed, or averaged, over an axis that should have been kept."""
    axes = range(case.numeric.ndim)
    for count in range(1, case.numeric.ndim + 1):
        for chosen in itertools.combinations(axes, count):
            if all(case.numeric.shape[axis] < 2 for axis in chosen):
                continue
            total = case.numeric.sum(axis=chosen, keepdims=True)
            whole = count == case.numeric.ndim
            which = "all axes" if whole else f"axis {' and '.join(map(str, chosen))}, too"
            spread = np.broadcast_to(total, case.numeric.shape)
            yield Candidate(f"summed over {which}", spread)
            size = case.numeric.size // total.size
            yield Candidate(f"averaged over {which}", spread / size)
            yield Candidate(f"averaged over {which} and the batch", spread / size / case.batch)


def overwritten(case: Case) -> Iterator[Candidate]:
    """Where several outputs depend on one element, only one of them counts: = for +=."""
    for name, pick in (("last", -1), ("first", 0)):
        prediction = case.gathered(lambda products, axes, p=pick: _one(products, axes, p))  # type: ignore[misc]
        if prediction is not None:
            yield Candidate(
                f"contributions overwrite each other, the {name} one stays (= for +=, or repeated "
                "indices)",
                prediction,
                f"{name} contribution stays",
            )


def _one(products: Array, axes: tuple[int, ...], pick: int) -> Array:
    """The last, or the first, product that is not zero along the axes taken as one."""
    kept = [axis for axis in range(products.ndim) if axis not in axes]
    rows = products.transpose(*axes, *kept)
    shape = rows.shape[len(axes) :]
    rows = rows.reshape(-1, int(np.prod(shape)))
    if pick == -1:
        rows = rows[::-1]
    first = (rows != 0).argmax(axis=0)
    chosen: Array = rows[first, np.arange(rows.shape[1])]
    return chosen.reshape(shape)


def some_parts(case: Case) -> Iterator[Candidate]:
    """Only some examples, or some positions, are added up."""
    for axis, name in ((0, "example"), (1, "position")):
        if axis >= case.outputs.ndim - 1 or case.outputs.shape[axis] < 2:
            continue
        parts = _parts(case, axis)
        if parts is None:
            continue
        count, key = len(parts), f"{name}s left out"
        for index, part in enumerate(parts):
            yield Candidate(f"only {name} {index} of {count} is counted", part, key)
        for index, part in enumerate(parts):
            text = f"{name} {index} of {count} is left out of the sum"
            yield Candidate(text, case.numeric - part, key)
        counted = _counted(case, parts)
        if counted is not None:
            left = ", ".join(str(int(i)) for i in np.flatnonzero(~counted)[:5])
            text = f"{name}s {left} of {count} are left out of the sum"
            yield Candidate(text, parts[counted].sum(axis=0), key)


def _counted(case: Case, parts: Array) -> Array | None:
    """Which parts make up the gradient, where the numbers tell."""
    flat = parts.reshape(len(parts), -1)
    if flat.shape[1] < len(flat):
        return None
    weights, *_ = np.linalg.lstsq(flat.T, case.analytic.reshape(-1), rcond=None)
    ones: Array = np.abs(weights - 1) < 1e-6
    return ones if bool((ones | (np.abs(weights) < 1e-6)).all()) else None


def _parts(case: Case, axis: int) -> Array | None:
    """The gradient that each example, or position, of the outputs makes."""
    parts = []
    for index in range(case.outputs.shape[axis]):

        def only(products: Array, axes: tuple[int, ...], index: int = index) -> Array:
            if axis not in axes:
                return np.zeros(0)
            taken = np.zeros(products.shape)
            place = [slice(None)] * products.ndim
            place[axis] = index  # type: ignore[call-overload]
            taken[tuple(place)] = products[tuple(place)]
            total: Array = taken.sum(axis=axes)
            return total

        try:
            part = case.gathered(only)
        except ValueError:  # the axis is kept: nothing is summed over it
            return None
        if part is None:
            return None
        parts.append(part)
    return np.stack(parts)
