"""BP104: the signal grows on its way forward."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class ExplodingActivation(Rule):
    code = "BP104"
    name = "exploding-activation"
    summary = "the signal grows on its way forward"
    explanation = Explanation(
        what="""\
The root mean square of the hidden layers' outputs grows by a factor with every layer going forward,
or reaches a thousand: at initialisation, or in the course of training.""",
        why="""\
Losses start astronomically high, softmax answers with certainty and wrongly, and the next step down
is too steep for any learning rate. Layers whose activation has no upper bound end in overflow.""",
        example="""\
network:
  - repeat:
      times: 10
      layers: [{dense: {units: 64, init: {normal: {std: 1.0}}}}, relu]
  - dense: 10
optimizer: {sgd: {learning_rate: 0.01}}""",
        cure="""\
Weights of variance 2 / fan_in for ReLU (he_normal) or 1 / fan_in otherwise; an activation that does
not grow like exp(x); scaled inputs; normalization between the layers.""",
        reference="Glorot & Bengio 2010; He et al. 2015; Hanin & Rolnick 2018",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        severity = evidence.severity(harm=False)
        if severity is None:
            return
        first = evidence.first_with(lambda moment: bool(self._layers(evidence, moment)))
        if first is None:
            return
        moment = next(each for each in evidence.moments() if each.step == first)
        layers = self._layers(evidence, moment)
        decay = evidence.activation_decay(moment)
        cause = causes.of_exploding(evidence) if first == 0 else None
        largest = max(_size(moment, name) for name in layers)
        slope = decay.slope if decay is not None and math.isfinite(decay.slope) else None
        grows = (
            f"{math.exp(slope):.3g} times a layer going forward, "
            if slope is not None and slope > 0
            else ""
        )
        yield self.finding(
            severity,
            layers,
            f"the signal grows {grows}to {largest:.2g}",
            first_step=first,
            cause=cause.word if cause else None,
            activation_slope=slope,
            largest=largest if math.isfinite(largest) else None,
            explanation=cause.sentence if cause else None,
        )

    def _layers(self, evidence: Evidence, moment: Moment) -> list[str]:
        limits, trunk = evidence.thresholds, evidence.trunk
        inputs = evidence.inputs
        size = inputs.root_mean_square if inputs is not None and not inputs.codes else 1.0
        limit = limits.activation_size * max(1.0, size if math.isfinite(size) else 1.0)
        large = [name for name in trunk[:-1] if not _size(moment, name) < limit]
        decay = evidence.activation_decay(moment)
        if decay is None or decay.zeros:
            return large
        steep = decay.slope >= limits.activation_slope and decay.is_clear(limits.slope_errors)
        grows = steep and decay.total >= limits.activation_total
        return list(trunk[:-1]) if grows else large


def _size(moment: Moment, name: str) -> float:
    value = moment.figures.get(name, {}).get("activation_rms")
    return 0.0 if value is None else float(value)
