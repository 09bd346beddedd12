"""What a rule is: a finding's code and name, what people should know of it, and how it is found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding, Severity


class Explanation(NamedTuple):
    """The documentation of a rule; `bpcli explain` and the docs are made from it."""

    what: str
    why: str
    example: str  # a piece of a spec that shows it; `whole_spec` makes it whole
    cure: str
    reference: str


class Rule:
    """One kind of finding."""

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]  # half a line
    explanation: ClassVar[Explanation]

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        """The findings of this kind, at most one for each place that has a cause of its own."""
        raise NotImplementedError

    def finding(
        self,
        severity: Severity,
        layers: Sequence[str],
        message: str,
        *,
        first_step: int = 0,
        cause: str | None = None,
        **evidence: Any,
    ) -> Finding:
        return Finding(
            self.code, self.name, severity, tuple(layers), first_step, cause, message, evidence
        )


def times(logarithm: float) -> str:
    """e^logarithm with two digits: 2.4, 890, 1,800, 3.3e+25."""
    rounded = float(f"{math.exp(min(logarithm, 700)):.2g}")
    return f"{rounded:,.0f}" if 10 <= rounded < 1e6 else f"{rounded:.2g}"


def span(layers: Sequence[str]) -> str:
    """dense_1 to dense_9, or the names of two or fewer."""
    if len(layers) > 2:
        return f"{layers[0]} to {layers[-1]}"
    return " and ".join(layers)
