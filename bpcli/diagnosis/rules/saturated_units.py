"""BP202: units pressed against the bounds of their activation."""

from __future__ import annotations

from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule, span
from bpcli.diagnosis.shares import worst_layers


class SaturatedUnits(Rule):
    code = "BP202"
    name = "saturated-units"
    summary = "units at the bounds of their activation"
    explanation = Explanation(
        what="""\
Half or more of a layer's values lie in the outer 2.5% of the range of its activation: tanh beyond
±0.95, sigmoid below 0.025 or above 0.975.""",
        why="""\
There the slope is less than a tenth of the largest: gradients do not pass, and the unit acts like a
switch that training can no longer move.""",
        example="""\
network:
  - dense: {units: 64, bias: {constant: 9}}
  - tanh
  - dense: 10
optimizer: {sgd: {learning_rate: 0.01}}""",
        cure="""\
Smaller initial weights (lecun_normal, orthogonal), scaled inputs; if units saturate while training,
a lower learning rate or clipping.""",
        reference="LeCun et al. 1998 (Efficient BackProp); Glorot & Bengio 2010",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        found = worst_layers(evidence, "saturated", evidence.thresholds.saturated_share)
        severity = evidence.severity(harm=False)
        if found is None or severity is None or evidence.fails is None:
            return
        cause = causes.of_saturation(evidence) if found.step == 0 else None
        yield self.finding(
            severity,
            list(found.shares),
            f"{max(found.shares.values()):.0%} of the values of {span(list(found.shares))} are "
            "pressed against the bounds of their activation",
            first_step=found.step,
            cause=cause.word if cause else None,
            saturated=found.shares,
            explanation=cause.sentence if cause else None,
        )
