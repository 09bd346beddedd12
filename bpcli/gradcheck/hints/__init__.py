"""Hypotheses about a wrong gradient, tested on its numbers.

Each hypothesis says what the gradient would be if a certain mistake had been made. The first that
explains the numbers is the hint; they stand in the order of how specific they are. Nothing is
guessed: what no hypothesis explains has no known pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bpcli.gradcheck.hints import factors, indices, missing, points, sums, terms
from bpcli.gradcheck.hints.case import Candidate, Case, Hypothesis
from bpcli.network.layer import Array

UNKNOWN = "no known pattern"
_GOOD = 1e-4  # of the error, what an explanation may leave over

HYPOTHESES: tuple[Hypothesis, ...] = (
    missing.unwritten,
    missing.nothing,
    terms.inner_path,
    factors.constant,
    factors.value_by_value,
    missing.passed_on,
    indices.transposed,
    indices.reversed_order,
    terms.skip_path,
    missing.zeros,
    sums.too_many_axes,
    indices.shifted,
    points.at_other_inputs,
    points.at_other_parameters,
    points.arriving_ignored,
    terms.normalization,
    points.elements_alone,
    sums.overwritten,
    sums.some_parts,
    terms.penalty,
    indices.permuted,
    points.at_updated_parameters,
    missing.few_elements,
    missing.later_positions_only,
    factors.by_unit,
)


# what rests on the layer's own derivative, to which the network adds the penalty
OF_ONE_LAYER = {
    points.at_other_inputs, points.at_other_parameters, points.arriving_ignored,
    points.elements_alone, points.at_updated_parameters, sums.overwritten, sums.some_parts,
}  # fmt: skip


@dataclass(frozen=True)
class Hint:
    """What a wrong gradient looks like; ``unexplained`` is the share of the error that is left."""

    text: str
    unexplained: float = 1.0
    key: str = ""

    @property
    def known(self) -> bool:
        return self.text != UNKNOWN


def hints(case: Case) -> Iterator[Hint]:
    """Every explanation that holds, the most specific first."""
    finite = np.isfinite(case.analytic)
    if not finite.all():
        count = f"{finite.size - int(finite.sum())} of {finite.size}"
        yield Hint(f"not finite: {count} elements", 0.0, "not finite")
        return
    size = float(np.abs(case.error).max(initial=0.0))
    if size == 0:
        return
    with np.errstate(all="ignore"):
        for hypothesis in HYPOTHESES:
            if case.of_network and hypothesis in OF_ONE_LAYER:
                continue
            try:
                candidates = list(hypothesis(case))
            except Exception:  # a layer may refuse what a hypothesis feeds it
                continue
            for candidate in candidates:
                left = unexplained(candidate, case.analytic, size)
                if left <= _GOOD:
                    yield Hint(candidate.text, left, candidate.name)


def unexplained(candidate: Candidate, analytic: Array, size: float) -> float:
    left = float(np.abs(analytic - candidate.prediction).max(initial=0.0)) / size
    return left if np.isfinite(left) else 1.0
