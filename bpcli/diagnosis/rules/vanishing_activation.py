"""BP103: the signal itself shrinks on its way forward."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class VanishingActivation(Rule):
    code = "BP103"
    name = "vanishing-activation"
    summary = "the signal shrinks on its way forward"
    explanation = Explanation(
        what="""\
The root mean square of the hidden layers' outputs falls by a factor with every layer going forward,
or is exactly 0 from some layer on.""",
        why="""\
The outputs come to depend on the biases alone, the same for every example. The weight gradient
∂L/∂W = xᵀδ is small where x is, even though the gradient δ that arrives may be large: tools that
compare weight gradients point at the wrong end of the network here.""",
        example="""\
network:
  - repeat:
      times: 8
      layers: [{dense: {units: 64, init: {normal: {std: 0.01}}}}, relu]
  - dense: 10""",
        cure="""\
Weights of variance 2 / fan_in for ReLU (he_normal) or 1 / fan_in for tanh (lecun_normal); or
normalization between the layers.""",
        reference="Glorot & Bengio 2010; He et al. 2015",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        limits = evidence.thresholds

        def shows(moment: Moment) -> bool:
            decay = evidence.activation_decay(moment)
            if decay is None:
                return False
            if decay.zeros:
                return moment.step > 0 or not causes.zero_output(evidence)
            steep = decay.slope <= -limits.activation_slope and decay.is_clear(limits.slope_errors)
            return steep and decay.total <= -limits.activation_total

        first = evidence.first_with(shows)
        severity = evidence.severity(harm=False)
        if first is None or severity is None:
            return
        moment = next(each for each in evidence.moments() if each.step == first)
        decay = evidence.activation_decay(moment)
        assert decay is not None
        cause = causes.of_vanishing(evidence)
        layers = decay.zeros or evidence.trunk[:-1]
        shrinks = (
            "is exactly 0" if decay.zeros else f"shrinks {math.exp(-decay.slope):.3g} times a layer"
        )
        yield self.finding(
            severity,
            layers,
            f"the signal {shrinks} going forward",
            first_step=first,
            cause=cause.word if cause else None,
            activation_slope=decay.slope if math.isfinite(decay.slope) else None,
            activation_slope_error=decay.error,
            exact_zeros=list(decay.zeros),
            explanation=cause.sentence if cause else None,
        )
