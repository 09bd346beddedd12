"""BP401: steps so long that they lead away."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule

_FACTORS = (0.1, 0.01, 0.001)


class LearningRateTooHigh(Rule):
    code = "BP401"
    name = "learning-rate-too-high"
    summary = "steps so long that they lead away"
    explanation = Explanation(
        what="""\
Training fails, the network is sound at initialisation, and the same training with a tenth, a
hundredth or a thousandth of the learning rate does not fail. The update:weight ratio ‖ΔW‖ / ‖W‖ is
often above 0.1; about 1e-3 is usual.""",
        why="""\
Beyond 2 / (largest curvature) every step of gradient descent ends higher than it began. With
adaptive optimizers the weights are thrown to where units saturate or die, and stay there.""",
        example="""\
optimizer: {sgd: {learning_rate: 100}}""",
        cure="The learning rate that the range test found; warm-up, or clipping of the gradient.",
        reference="LeCun et al. 1998; Smith 2017 (range test); Cohen et al. 2021 (stability)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.fails or evidence.experiment is None or evidence.learning_rate is None:
            return
        if not evidence.rate_may_be_too("high"):
            return
        for factor in _FACTORS:
            share = evidence.experiment(f"learning_rate*{factor:g}")
            if share is not None and share >= evidence.thresholds.cured_share:
                better = evidence.learning_rate * factor
                ratio = max(evidence.update_ratios.values(), default=None)
                yield self.finding(
                    "error",
                    evidence.most_moved(),
                    f"the learning rate {evidence.learning_rate:g} is too high: the same training "
                    f"with {better:g} does well",
                    first_step=1,
                    cause="learning-rate-too-high",
                    learning_rate=evidence.learning_rate,
                    better_learning_rate=better,
                    share_with_better=share,
                    update_ratio=ratio,
                )
                return
