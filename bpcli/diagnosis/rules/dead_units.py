"""BP201: units that are 0 on all data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule, span
from bpcli.diagnosis.shares import worst_layers


class DeadUnits(Rule):
    code = "BP201"
    name = "dead-units"
    summary = "ReLU units that are 0 on all data"
    explanation = Explanation(
        what="""\
Half or more of a layer's ReLU units are 0 on every one of at least 256 examples. Each unit is
judged over the data; that a unit is 0 on many examples is what makes ReLU networks sparse, and is
no finding.""",
        why="""\
Where ReLU is 0 its slope is 0: no gradient reaches the unit's weights, so it never comes back. A
layer that is dead as a whole cuts the network in two: nothing before it learns.""",
        example="""\
network:
  - dense: {units: 64, bias: {constant: -10}}
  - relu
  - dense: 10""",
        cure="""\
Biases that start at 0 and He weights; if units die while training, a lower learning rate; leaky
ReLU, ELU or GELU, which pass some gradient everywhere; wider layers where they are very narrow.""",
        reference="Maas, Hannun & Ng 2013; Lu et al. 2019 (networks that are born dead)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        found = worst_layers(evidence, "dead_units", evidence.thresholds.dead_share)
        if found is None:
            return
        cause = causes.of_dead_units(evidence) if found.step == 0 else None
        harm = max(found.shares.values()) > 0.999
        severity = evidence.severity(harm=harm, explained=cause is not None)
        if severity is None:
            return
        yield self.finding(
            severity,
            list(found.shares),
            f"{_counted(evidence, found.shares)} of {span(list(found.shares))} are 0 on all data",
            first_step=found.step,
            cause=cause.word if cause else None,
            dead_units=found.shares,
            explanation=cause.sentence if cause else None,
        )


def _counted(evidence: Evidence, shares: Mapping[str, Any]) -> str:
    units = {name: evidence.facts(name).units for name in shares}
    if all(units.values()):
        dead = sum(round(share * units[name]) for name, share in shares.items())
        return f"{dead} of {sum(units.values())} units"
    return f"{max(shares.values()):.0%} of the units"
