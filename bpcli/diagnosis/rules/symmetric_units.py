"""BP203: units that start alike and stay alike."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule, span


class SymmetricUnits(Rule):
    code = "BP203"
    name = "symmetric-units"
    summary = "units that start alike and stay alike"
    explanation = Explanation(
        what="""\
All units of a hidden layer have the same incoming weights and the same outgoing weights.""",
        why="""\
They give the same output and get the same gradient, so they stay alike for ever: a layer of a
hundred such units can do no more than one. Where the weights are all 0, hidden layers get no
gradient at all. An output layer, or the last layer of a residual branch, may well start at 0: its
units get different gradients.""",
        example="""\
network:
  - dense: {units: 64, init: zeros}
  - relu
  - dense: {units: 10, init: zeros}""",
        cure="Random weights: any of the usual initializers.",
        reference="Rumelhart, Hinton & Williams 1986 (symmetry breaking)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        layers = [facts.name for facts in evidence.layers if facts.name in evidence.symmetric]
        if not layers or evidence.fails is False:
            return
        yield self.finding(
            "error",
            layers,
            f"all units of {span(layers)} start alike, get the same gradient and stay alike",
            cause="identical-weights",
            explanation="every unit of the layer starts with the same weights",
        )
