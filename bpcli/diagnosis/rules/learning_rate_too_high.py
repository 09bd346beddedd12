"""BP401: steps so long that they lead away."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule

_FACTORS = (0.1, 0.01, 1e-3, 1e-4, 1e-5)


class LearningRateTooHigh(Rule):
    code = "BP401"
    name = "learning-rate-too-high"
    summary = "steps so long that they lead away"
    explanation = Explanation(
        what="""\
Training fails, the network is sound at initialisation, and the same training with a tenth, a
hundredth, or still less of the learning rate does not fail. The update:weight ratio ‖ΔW‖ / ‖W‖ is
often above 0.1; about 1e-3 is usual. Of a run or a log, which cannot be repeated: it fails although
its first steps show neither gradients nor signals that explode, and most layers move by more than a
tenth of their size in one of them.""",
        why="""\
Beyond 2 / (largest curvature) every step of gradient descent ends higher than it began. With
adaptive optimizers the weights are thrown to where units saturate or die, and stay there.""",
        example="""\
optimizer: {sgd: {learning_rate: 100}}""",
        cure="The learning rate that the range test found; warm-up, or clipping of the gradient.",
        reference="LeCun et al. 1998; Smith 2017 (range test); Cohen et al. 2021 (stability)",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.fails:
            return
        if evidence.experiment is None or evidence.learning_rate is None:
            yield from self._of_the_past(evidence)
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

    def _of_the_past(self, evidence: Evidence) -> Iterator[Finding]:
        """Of what cannot be tried again: steps far too long for weights that start sound."""
        first = next(iter(evidence.moments()), None)
        if first is None or not _is_sound(evidence, first):
            return
        for moment in evidence.early():
            ratio = _middle_ratio(evidence, moment)
            if ratio is not None and ratio > evidence.thresholds.large_update:
                rate = evidence.learning_rate
                named = "the learning rate" if rate is None else f"the learning rate {rate:g}"
                yield self.finding(
                    "error",
                    [],
                    f"{named} is too high: step {moment.step} moves most layers by "
                    f"{ratio:.2g} times their size or more, not by about a thousandth of it",
                    first_step=moment.step,
                    cause="learning-rate-too-high",
                    learning_rate=rate,
                    update_ratio=ratio,
                )
                return


def _is_sound(evidence: Evidence, moment: Moment) -> bool:
    """Whether all is finite, the signals are of a usual size and the gradients do not explode."""
    limits = evidence.thresholds
    sizes = [
        value
        for name in evidence.trunk
        for key in ("activation_rms", "delta_norm", "gradient_norm")
        if (value := moment.figures.get(name, {}).get(key)) is not None
    ]
    signals = [moment.figures.get(name, {}).get("activation_rms") or 0.0 for name in evidence.trunk]
    decay = evidence.gradient_decay(moment)
    explodes = decay is not None and decay.total >= limits.gradient_total
    return all(map(math.isfinite, sizes)) and max(signals) < limits.activation_size and not explodes


def _middle_ratio(evidence: Evidence, moment: Moment) -> float | None:
    """Half of the trunk's layers have an update ratio of so much or more; beyond all bounds where
    it is not finite."""
    ratios = [moment.figures.get(name, {}).get("update_ratio") for name in evidence.trunk]
    known = sorted(math.inf if math.isnan(r) else r for r in ratios if r is not None)
    return known[len(known) // 2] if known else None
