"""The right gradient times something: a sign, a number, a number for each unit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bpcli.gradcheck.hints.case import Candidate, Case
from bpcli.network.layer import Array

_SAME = 1e-6  # relative, between a factor and what it could be


def constant(case: Case) -> Iterator[Candidate]:
    """g = c · derivative."""
    squares = float((case.numeric * case.numeric).sum())
    if squares == 0:
        return
    factor = float((case.analytic * case.numeric).sum()) / squares
    if abs(factor) < 1e-12:
        return
    if abs(factor + 1) < _SAME:
        yield Candidate("sign flipped", -case.numeric)
        return
    name, key = _named(case, abs(factor))
    if factor < 0:
        name, key = f"sign flipped, and {name}", f"sign flipped, and {key}"
    yield Candidate(name, factor * case.numeric, key)
    # what it stands for under one condition alone was a coincidence
    yield Candidate(f"a constant factor of {_shown(factor)}", factor * case.numeric)


def _shown(factor: float) -> str:
    """With the digits that tell it from 1."""
    off = factor - 1
    return f"{factor:.6g}" if abs(off) > 1e-5 else f"1 {'-' if off < 0 else '+'} {abs(off):.2g}"


def value_by_value(case: Case) -> Iterator[Candidate]:
    """Each value changed by itself: rounded, clipped, without its sign, or with a number added."""
    size = float(np.abs(case.numeric).max(initial=0.0))
    for kind in (np.float16, np.float32):
        stored = np.array_equal(case.analytic, case.analytic.astype(kind))
        rounding = 64 * float(np.finfo(kind).eps) * size
        if stored and case.analytic.any() and np.abs(case.error).max(initial=0.0) <= rounding:
            name = np.dtype(kind).name
            yield Candidate(f"its values are {name} numbers: computed or kept so", case.analytic)
            return
    largest = float(np.abs(case.analytic).max(initial=0.0))
    if largest < size:
        text = f"every value beyond ±{largest:.6g} is clipped there"
        yield Candidate(text, np.clip(case.numeric, -largest, largest), "clipped")
    if case.numeric.size > 1:
        yield Candidate("the signs are lost: absolute values", np.abs(case.numeric))
        added = float(np.median(case.analytic - case.numeric))
        text = f"{added:.6g} is added to every value"
        yield Candidate(text, case.numeric + added, "a number is added")


def _named(case: Case, factor: float) -> tuple[str, str]:
    """What a factor stands for, and the same without its value."""
    batch, shown = case.batch, _shown(factor)
    positions = math.prod(case.outputs.shape[1:-1])
    means = (
        (batch, "batch"),
        (batch * positions, "batch and its positions"),
        (case.outputs.size, "batch and all its values"),
    )
    for count, of in means:
        if count > 1 and _is(factor, count):
            return f"the mean over the {of} ({count}) is missing", f"mean over {of} missing"
        if count > 1 and _is(factor, 1 / count):
            return (
                f"divided by the {of} ({count}) once too often: a mean where the sum belongs",
                f"mean over {of} twice",
            )
    for number, text in ((2, "a factor of 2 too much"), (0.5, "a factor of 2 is missing (½)")):
        if _is(factor, number):
            return text, text
    for name, quantity in case.quantities.items():
        forms = (
            ("", quantity),
            ("one over ", 1 / quantity),
            ("the root of ", math.sqrt(quantity)),
            ("one over the root of ", 1 / math.sqrt(quantity)),
            ("the square of ", quantity**2),
        )
        for prefix, value in forms:
            if not _is(value, 1) and _is(factor, value):
                text = f"a constant factor of {shown}, {prefix}{name}"
                return text, f"{prefix}{name.partition(' (')[0]}"
    return f"a constant factor of {shown}", "a constant factor"


def _is(factor: float, number: float) -> bool:
    return abs(factor - number) <= _SAME * number


def by_unit(case: Case) -> Iterator[Candidate]:
    """g = derivative times a factor along one axis: that of a parameter, or any."""
    if case.numeric.ndim < 2 and case.by_inputs:
        return
    axes = range(case.numeric.ndim)
    for axis in reversed(axes):
        if case.numeric.shape[axis] < 2:
            continue
        others = tuple(a for a in axes if a != axis)
        squares = (case.numeric**2).sum(axis=others, keepdims=True)
        products = (case.analytic * case.numeric).sum(axis=others, keepdims=True)
        factor = np.where(squares > 0, products / np.where(squares > 0, squares, 1), 0)
        values = factor.reshape(-1)
        prediction = factor * case.numeric
        name = _parameter_named(case, values)
        if name:
            yield Candidate(name, prediction)
        elif case.numeric.size > values.size:
            flipped = np.abs(values + 1) < _SAME
            if flipped.any() and (flipped | (np.abs(values - 1) < _SAME)).all():
                units = _listed(np.flatnonzero(flipped))
                yield Candidate(f"sign flipped for {units} of axis {axis}", prediction)
            else:
                yield Candidate(
                    f"a factor of its own for each of the {len(values)} along axis {axis}",
                    prediction,
                )


def _parameter_named(case: Case, factors: Array) -> str:
    for name, value in case.parameters.items():
        values = value.reshape(-1)
        if values.size != factors.size or not np.all(np.abs(values) > 1e-12):
            continue
        if np.allclose(factors, 1 / values, rtol=_SAME, atol=0):
            return f"the {name} is left out (each unit is off by 1/{name})"
        if np.allclose(factors, values, rtol=_SAME, atol=0):
            return f"the {name} is applied twice"
    return ""


def _listed(numbers: Array) -> str:
    shown = ", ".join(str(int(n)) for n in numbers[:4])
    return shown + (", ..." if len(numbers) > 4 else "")
