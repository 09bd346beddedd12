"""BP402: steps so short that training ends before it gets anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule

_FACTORS = (10.0, 100.0, 1000.0, 10000.0)
_MORE_FACTORS = (1e5, 1e6, 1e7)  # where the steps are so short that they are no leap


class LearningRateTooLow(Rule):
    code = "BP402"
    name = "learning-rate-too-low"
    summary = "steps so short that training gets nowhere"
    explanation = Explanation(
        what="""\
Training fails, the network is sound at initialisation, and the same number of steps with ten times
the learning rate or more does not fail. The update:weight ratio ‖ΔW‖ / ‖W‖ is often below 1e-5;
about 1e-3 is usual.""",
        why="""\
The loss falls, but so slowly that the epochs are over first. A low rate that gets there is no
finding.""",
        example="""\
optimizer: {sgd: {learning_rate: 0.00001}}""",
        cure="The learning rate that the range test found, or an adaptive optimizer.",
        reference="Smith 2017 (range test); Karpathy, CS231n (update:weight ratio)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.fails or evidence.experiment is None or evidence.learning_rate is None:
            return
        if not evidence.rate_may_be_too("low"):
            return
        for factor in _factors(evidence):
            share = evidence.experiment(f"learning_rate*{factor:g}")
            if share is not None and share >= evidence.thresholds.cured_share:
                better = evidence.learning_rate * factor
                yield self.finding(
                    "error",
                    [],
                    f"the learning rate {evidence.learning_rate:g} is too low: as many steps with "
                    f"{better:g} do well",
                    first_step=1,
                    cause="learning-rate-too-low",
                    learning_rate=evidence.learning_rate,
                    better_learning_rate=better,
                    share_with_better=share,
                    update_ratio=min(evidence.update_ratios.values(), default=None),
                )
                return


def _factors(evidence: Evidence) -> Iterator[float]:
    yield from _FACTORS
    ratio = max(evidence.update_ratios.values(), default=0.0)
    for factor in _MORE_FACTORS:
        if 0 < ratio * factor <= evidence.thresholds.large_update:
            yield factor
