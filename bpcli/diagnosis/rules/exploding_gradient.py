"""BP102: gradients grow on their way back, through layers or through time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule, times
from bpcli.diagnosis.through_time import time_decays


class ExplodingGradient(Rule):
    code = "BP102"
    name = "exploding-gradient"
    summary = "gradients grow on their way back"
    explanation = Explanation(
        what="""\
The gradient by a layer's output, ‖∂L/∂z‖, grows by a factor with every layer (or every time step)
that it is sent back through: the slope of ln ‖∂L/∂z‖ going backward is clearly above 0, and the
first layer's gradient is more than e⁴ = 55 times the last one's.""",
        why="""\
No learning rate suits all layers: one that moves the last layers throws the first ones about. A
network whose gradients explode reacts violently to small changes of its input and its weights, so
that training is noise even where nothing overflows. Batch normalization without skip connections
does this by itself: ReLU networks gain a factor of √1.47 a layer.""",
        example="""\
network:
  - repeat:
      times: 40
      layers: [batch_norm, {dense: {units: 64, init: he_normal}}, relu]
  - dense: 10""",
        cure="""\
Start the weights smaller, at criticality; put the layers between into residual blocks; for
batch-normalized chains, skip connections or layer normalization; clip the gradient's norm; for
recurrent layers, orthogonal recurrent weights.""",
        reference="""\
Pascanu et al. 2013; Poole et al. 2016; Philipp et al. 2017; Yang et al. 2019""",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        yield from self._through_layers(evidence)
        yield from self._through_time(evidence)

    def _through_layers(self, evidence: Evidence) -> Iterator[Finding]:
        limits = evidence.thresholds

        def shows(moment: Moment) -> bool:
            decay = evidence.gradient_decay(moment)
            if decay is None or decay.zeros:
                return False
            steep = decay.slope >= limits.gradient_slope and decay.is_clear(limits.slope_errors)
            return steep and decay.total >= limits.gradient_total

        first = evidence.first_with(shows)
        severity = evidence.severity(harm=False)
        if first is None or severity is None:
            return
        moment = next(each for each in evidence.moments() if each.step == first)
        decay = evidence.gradient_decay(moment)
        assert decay is not None
        cause = causes.of_exploding(evidence)
        yield self.finding(
            severity,
            evidence.trunk,
            f"gradients grow {math.exp(decay.slope):.3g} times a layer going back: "
            f"{evidence.trunk[0]} gets {times(decay.total)} times what "
            f"{evidence.trunk[-1]} gets",
            first_step=first,
            cause=cause.word if cause else None,
            gradient_slope=decay.slope,
            gradient_slope_error=decay.error,
            total_nats=decay.total,
            explanation=cause.sentence if cause else None,
        )

    def _through_time(self, evidence: Evidence) -> Iterator[Finding]:
        for name, step, norms, decay in time_decays(evidence):
            severity = evidence.severity(harm=False)
            if severity is None or not decay.total >= evidence.thresholds.time_total:
                continue
            cause = causes.of_recurrence(evidence, name, vanishing=False)
            yield self.finding(
                severity,
                [name],
                f"gradients grow {math.exp(decay.slope):.3g} times a step going back in time, "
                f"{times(decay.total)} times over {len(norms)} steps",
                first_step=step,
                cause=cause.word,
                time_slope=decay.slope,
                sequence_length=len(norms),
                explanation=cause.sentence,
                **cause.figures,
            )
