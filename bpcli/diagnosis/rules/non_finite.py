"""BP301: values that are not finite."""

from __future__ import annotations

from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class NonFiniteValues(Rule):
    code = "BP301"
    name = "non-finite"
    summary = "values that are infinite or not a number"
    explanation = Explanation(
        what="""\
An output of a layer, the loss, a gradient or a parameter became infinite or not a number; the
finding names the first layer and the first step.""",
        why="""\
Every later value that depends on it is lost, and with the next update every parameter. The place
where it shows in the loss is rarely the place where it arose.""",
        example="""\
network:
  - repeat: {times: 6, layers: [{dense: 64}, exponential]}
  - dense: 10""",
        cure="""\
Look at the first place: an activation that grows without bound, weights that start too large, a
learning rate that is too high, inputs of huge size. Clipping helps against single steep steps.""",
        reference="Goodfellow, Bengio & Courville 2016, section 4.1 (overflow and underflow)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        if evidence.start is not None and evidence.start.first_non_finite is not None:
            quantity, layer = evidence.start.first_non_finite
            cause = causes.of_exploding(evidence)
            yield self.finding(
                "error",
                [layer],
                f"the {quantity} of {layer} is not finite at initialisation already",
                cause=cause.word if cause else None,
                quantity=quantity,
                explanation=cause.sentence if cause else None,
            )
            return
        found = [each for each in evidence.non_finite if each is not None]
        if not found:
            return
        first = found[0]
        layers = [first.layer] if first.layer in {facts.name for facts in evidence.layers} else []
        yield self.finding(
            "error",
            [layer for layer in layers if layer is not None],
            first.message,
            first_step=first.step,
            quantity=first.quantity,
            parameter=first.parameter,
            runs=f"{len(found)} of {len(evidence.non_finite)}",
        )
