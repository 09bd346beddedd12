"""BP302: training comes to nothing, and no other rule says why."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class LossStandsStill(Rule):
    code = "BP302"
    name = "loss-stands-still"
    summary = "training fails, and no other finding says why"
    explanation = Explanation(
        what="""\
After training, or as much of it as was tried, the network covers less than half of the way from the
best constant answer to what a plain network with one hidden layer reaches on the same data in as
many steps. Gradients, signals, inputs, outputs and learning rate look sound.""",
        why="""\
The plain network shows that there is something to learn, and enough steps to learn some of it.""",
        example="""\
network: [{dense: 64}, relu, {dense: 1}, relu, {dense: 10}]  # a neck of one""",
        cure="""\
Wider layers where one is very narrow; less dropout or l2; more epochs; the layers that suit the
data (convolutions for images, recurrent layers for sequences).""",
        reference="Goodfellow, Bengio & Courville 2016, chapter 11 (practical methodology)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.fails:
            return
        share = evidence.verdict.share
        if share is None:
            told = "the loss stays where that of the best constant answer is"
        else:
            told = f"training covers {max(share, 0):.0%} of the way that a plain network goes"
        yield self.finding("error", (), told, first_step=1, share=share)
