"""Parts that are zero, that nobody wrote, or that alone are wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpcli.gradcheck.functions import INPUTS
from bpcli.gradcheck.hints.case import Candidate, Case
from bpcli.gradcheck.recording import fill_with_junk
from bpcli.network.layer import Array
from bpcli.spec.layers import RecurrentOptions

_SAME = 1e-6


def unwritten(case: Case) -> Iterator[Candidate]:
    """What stood in `gradients` before stays there, or is added to."""
    if case.target == INPUTS:
        return
    junk = np.empty(case.numeric.shape)
    fill_with_junk(junk)
    yield Candidate("never written: the array in `gradients` keeps what stood there", junk)
    yield Candidate(
        "added to what stands in `gradients` (+=); it must be written (=)", case.numeric + junk
    )


def nothing(case: Case) -> Iterator[Candidate]:
    yield Candidate("zero: the gradient is missing", np.zeros(case.numeric.shape))


def zeros(case: Case) -> Iterator[Candidate]:
    """Right where it is not zero."""
    zero = (case.analytic == 0) & (case.numeric != 0)
    if not zero.any() or zero.all():
        return
    prediction = np.where(zero, 0, case.numeric)
    yield Candidate(f"zero (missing) {_where(zero, case.numeric)}", prediction, "zero for some")


def _where(wrong: Array, numeric: Array) -> str:
    """The slices along an axis that are wrong as a whole, else how many elements."""
    relevant = numeric != 0
    for axis in range(wrong.ndim):
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        whole = (wrong | ~relevant).all(axis=others) & wrong.any(axis=others)
        in_whole = wrong & np.expand_dims(whole, others)
        if others and whole.any() and (in_whole == wrong).all():
            listed = [int(i) for i in np.flatnonzero(whole)]
            shown = ", ".join(map(str, listed[:5])) + (", ..." if len(listed) > 5 else "")
            return f"for index {shown} of axis {axis}"
    return f"for {int(wrong.sum())} of {int(relevant.sum())} elements"


def few_elements(case: Case) -> Iterator[Candidate]:
    """All elements right but one, or a handful."""
    scale = np.abs(case.numeric).max(initial=0.0)
    sizes = np.maximum(np.abs(case.analytic), np.abs(case.numeric))
    wrong = np.abs(case.error) > np.maximum(1e-7 * sizes, 1e-13 * scale)
    count = int(wrong.sum())
    if count == 0 or count > max(3, wrong.size // 100) or count == wrong.size:
        return
    prediction = np.where(wrong, case.analytic, case.numeric)
    places = [tuple(int(i) for i in index) for index in np.argwhere(wrong)[:3]]
    shown = ", ".join(str(list(place)) for place in places) + (", ..." if count > 3 else "")
    first = places[0]
    factor = ""
    if count == 1 and case.numeric[first]:
        factor = f", by a factor of {case.analytic[first] / case.numeric[first]:.6g}"
    plural = "element is" if count == 1 else "elements are"
    yield Candidate(
        f"only {count} {plural} wrong, {shown}{factor}", prediction, "few elements wrong"
    )


def later_positions_only(case: Case) -> Iterator[Candidate]:
    """Right at the last position of a sequence, wrong before: nothing came back through time."""
    if not case.by_inputs or case.numeric.ndim < 3 or not _runs_through_time(case):
        return
    scale = np.abs(case.numeric).max(initial=0.0)
    others = tuple(axis for axis in range(case.numeric.ndim) if axis != 1)
    wrong = (np.abs(case.error) > 1e-9 * scale).any(axis=others)
    if wrong[-1] or not wrong.any():
        return
    last = int(np.flatnonzero(wrong)[-1])
    later = np.arange(len(wrong)) > last
    if wrong[: last + 1].all():
        prediction = np.where(later[:, np.newaxis], case.numeric, case.analytic)
        yield Candidate(
            f"right from position {last + 1} on, wrong before: a path through time is missing",
            prediction,
            "path through time missing",
        )


def _runs_through_time(case: Case) -> bool:
    """Whether the first position reaches the last outputs, and the last reaches no earlier ones."""
    if isinstance(case.layer, RecurrentOptions):
        return True
    if case.outputs.shape[:2] != case.inputs.shape[:2]:
        return False
    first, last = np.zeros(case.inputs.shape), np.zeros(case.inputs.shape)
    first[:, 0], last[:, -1] = 1, 1
    reached = case.function.slope({INPUTS: first}).values[:, -1]
    earlier = case.function.slope({INPUTS: last}).values[:, :-1]
    return bool(reached.any() and not earlier.any())


def passed_on(case: Case) -> Iterator[Candidate]:
    """The gradient that arrives, or another share of it than the layer lets through."""
    if not case.by_inputs or case.v.shape != case.numeric.shape:
        return
    v = case.v
    lets_through = float(np.mean(case.numeric == 0))
    what = "the mask is not applied" if lets_through else "the derivative is not applied"
    yield Candidate(f"the gradient that arrives, unchanged: {what}", v, "passed on unchanged")
    if not lets_through:
        return
    ratio = np.where(v != 0, case.analytic / np.where(v != 0, v, 1), 0)
    known = np.unique(np.round(ratio[ratio != 0], 9))
    if len(known) != 1:
        return
    factor = float(known[0])
    if (ratio != 0).all():
        yield Candidate("the mask is not applied", factor * v)
    elif bool(((ratio == 0) == (case.numeric != 0)).all()):
        yield Candidate("the mask is inverted", np.where(ratio != 0, factor * v, 0))
    elif bool(((ratio == 0) != (case.numeric == 0)).any()):
        yield Candidate(
            "another mask than that of the forward pass",
            np.where(ratio != 0, factor * v, 0),
        )
