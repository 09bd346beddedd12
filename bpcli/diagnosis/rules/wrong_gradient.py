"""BP001: a backward pass that is not the derivative of its forward pass."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class WrongGradient(Rule):
    code = "BP001"
    name = "wrong-gradient"
    summary = "a backward pass that is not the derivative"
    explanation = Explanation(
        what="""\
Before it blames the design, bpcli checks the gradient: projections of it onto random directions are
compared with derivatives by a complex step, which are exact to rounding. A layer's backward pass
does not give the derivative of its forward pass.""",
        why="""\
Every other figure rests on the gradient. A forgotten path can look like vanishing gradients, and
training with a wrong gradient may even work a little.""",
        example="""\
def backward(self, cache, output_gradient, parameters, gradients):
    return self.branch_backward(output_gradient)  # without the skip path""",
        cure="`bpcli gradcheck SPEC` names the layer, the parameter and the likely mistake.",
        reference="Squire & Trapp 1998 (complex step); Baydin et al. 2018",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        wrong = list(evidence.wrong_gradients)
        if not wrong:
            return
        layers = list(dict.fromkeys(layer for layer, _ in wrong))
        yield self.finding(
            "error",
            layers,
            f"the backward pass of {', '.join(layers)} is wrong: {wrong[0][1]}",
            cause="wrong-backward",
            details=[detail for _, detail in wrong],
        )
