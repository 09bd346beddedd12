"""BP404: outputs that cannot say what the loss asks for."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.facts import Outputs
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class OutputLossMismatch(Rule):
    code = "BP404"
    name = "output-loss-mismatch"
    summary = "outputs that cannot say what the loss asks for"
    explanation = Explanation(
        what="""\
The last activation bounds the outputs so that even the best ones leave much of the loss: softmax or
sigmoid before a loss that takes logits and squashes them once more, or a bounded activation before
targets that lie outside its bounds. An error where the loss cannot be fitted, even if the classes
are ranked well: no training gets the probabilities right.""",
        why="""\
Cross-entropy of ten classes on softmaxed logits cannot fall below ln(1 + 9/e) = 1.46, and its
gradient goes through two softmaxes, both nearly flat. A sigmoid in front of standardized targets
can reach less than half of them.""",
        example="""\
network: [{dense: 64}, relu, {dense: 10}, softmax]
loss: cross_entropy  # takes logits""",
        cure="Take the last activation away; or scale the targets into its bounds (minmax).",
        reference="Bridle 1990; Goodfellow, Bengio & Courville 2016, section 6.2.2",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        outputs, limits = evidence.outputs, evidence.thresholds
        if outputs is None or not outputs.activation:
            return
        twice = outputs.takes_logits and outputs.activation in ("softmax", "sigmoid")
        if outputs.attainable >= limits.attainable_share and not twice:
            return
        unfit = outputs.attainable < limits.attainable_share
        yield self.finding(
            "error" if unfit else "warning",
            [outputs.layer],
            _message(outputs),
            cause="squashed-logits" if twice else "bounded-outputs",
            attainable_share=outputs.attainable,
        )


def _message(outputs: Outputs) -> str:
    limit = f"the best outputs it allows remove {max(outputs.attainable, 0):.0%} of the loss"
    if outputs.takes_logits:
        return f"{outputs.layer} stands before a loss that takes logits: {limit}"
    return f"{outputs.layer} cannot reach the targets: {limit}"
