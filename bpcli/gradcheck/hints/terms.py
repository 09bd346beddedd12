"""A term that is left out of the gradient, or that does not belong to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpcli.gradcheck.functions import INNER, INPUTS
from bpcli.gradcheck.hints.case import Candidate, Case
from bpcli.network.layer import Array


def skip_path(case: Case) -> Iterator[Candidate]:
    """Two paths leave the inputs, one comes back."""
    if not case.by_inputs or case.v.shape != case.numeric.shape:
        return
    yield Candidate("the skip path (residual) is missing", case.numeric - case.v)
    yield Candidate("the skip path (residual) is counted twice", case.numeric + case.v)


def inner_path(case: Case) -> Iterator[Candidate]:
    """Of a layer that holds layers."""
    through = case.examined.backward.inner_gradient
    if case.target != INPUTS or through is None or through.shape != case.numeric.shape:
        return
    yield Candidate("the path through the layers inside is missing", case.numeric - through)
    yield Candidate("only the path through the layers inside comes back: the skip path (residual) "
                    "is missing", through)  # fmt: skip


def normalization(case: Case) -> Iterator[Candidate]:
    """∂L/∂x of a normalization has three terms; one or two of them alone are left."""
    if not case.by_inputs or case.inputs.ndim < 2:
        return
    last = case.inputs.ndim - 1
    for axes, over in (
        ((last,), "the features"),
        (tuple(range(last)), "the batch"),
        (tuple(range(1, case.inputs.ndim)), "each example"),
        (tuple(range(1, last)), "the positions"),
    ):
        if not axes:
            continue
        error = case.error
        constant = np.broadcast_to(error.mean(axis=axes, keepdims=True), error.shape)
        centred = case.inputs - case.inputs.mean(axis=axes, keepdims=True)
        along = _share_along(error, centred, axes)
        raw = _share_along(error, case.inputs, axes)
        without_mean = error - constant
        both = constant + _share_along(without_mean, centred, axes)
        zero_sum = np.abs(case.numeric.sum(axis=axes)).max() <= 1e-6 * np.abs(case.numeric).max()
        if zero_sum:
            yield Candidate(
                f"the term of the mean over {over} is left out", case.numeric + constant
            )
            yield Candidate(
                f"the term of the variance over {over} is left out", case.numeric + along
            )
            yield Candidate(
                f"the terms of mean and variance over {over} are left out", case.numeric + both
            )
        yield Candidate(f"the term of the mean square over {over} is left out", case.numeric + raw)


def _share_along(error: Array, direction: Array, axes: tuple[int, ...]) -> Array:
    squares = (direction * direction).sum(axis=axes, keepdims=True)
    products = (error * direction).sum(axis=axes, keepdims=True)
    shared: Array = products / np.where(squares > 0, squares, 1) * direction
    return shared


def penalty(case: Case) -> Iterator[Candidate]:
    """Weight decay that is missing, or that does not belong here."""
    if case.target in (INPUTS, INNER):
        return
    yield from of_penalty(case.error, case.numeric, case.function.value(case.target), case.l2)


def of_penalty(error: Array, numeric: Array, values: Array, l2: float) -> Iterator[Candidate]:
    squares = float((values * values).sum())
    share = float((error * values).sum()) / squares if squares else 0.0
    if not share:
        return
    prediction = numeric + share * values
    if l2 and abs(share + l2) < 1e-6 * l2:
        yield Candidate(f"the l2 penalty ({l2:g}) is missing", prediction, "l2 missing")
    elif l2 and abs(share - l2) < 1e-6 * l2:
        text = f"the l2 penalty ({l2:g}) is counted twice (doubled)"
        yield Candidate(text, prediction, "l2 twice")
    elif l2 and abs(share + l2 / 2) < 1e-6 * l2:
        yield Candidate(f"half of the l2 penalty ({l2:g}) is missing", prediction, "l2 halved")
    else:
        yield Candidate(
            f"{share:.4g} times the parameter itself is added, like weight decay (l2)",
            prediction,
            "l2 of its own",
        )
