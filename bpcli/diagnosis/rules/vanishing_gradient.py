"""BP101: gradients shrink on their way back, through layers or through time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.finding import Finding, Severity
from bpcli.diagnosis.rules.rule import Explanation, Rule
from bpcli.diagnosis.through_time import steps_to_one_percent, time_decays


class VanishingGradient(Rule):
    code = "BP101"
    name = "vanishing-gradient"
    summary = "gradients shrink on their way back"
    explanation = Explanation(
        what="""\
The gradient by a layer's output, ‖∂L/∂z‖, falls by a factor with every layer (or every time step of
a recurrent layer) that it is sent back through. The slope of ln ‖∂L/∂z‖ against depth is fitted by
least squares over several seeds and batches, so neither one odd layer nor the scale of the loss
matters. A decay by more than half a layer that does no harm is a remark.""",
        why="""\
What the first layers receive is almost nothing, so they stay as they were drawn: the network
trains its last layers on a random projection of the data, or nothing at all. An optimizer with
per-parameter rates hides the size of the gradient, not the noise and rounding it drowns in.""",
        example="""\
network:
  - repeat: {times: 12, layers: [{dense: 64}, sigmoid]}   # σ' is at most 1/4
  - dense: 10""",
        cure="""\
Start the weights at criticality for the activation (He for ReLU, LeCun or orthogonal for tanh);
take an activation whose slope is near 1 (tanh, ReLU, GELU) instead of sigmoid; put layers into
residual blocks; for recurrent layers, LSTM or GRU, or recurrent weights that start orthogonal.""",
        reference="""\
Hochreiter 1991; Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010; Schoenholz et al. 2017""",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        yield from self._through_layers(evidence)
        yield from self._through_time(evidence)

    def _through_layers(self, evidence: Evidence) -> Iterator[Finding]:
        def shows(moment: Moment) -> bool:
            return self._shows(evidence, moment)

        first = evidence.first_with(shows)
        if first is None:
            yield from self._remark(evidence)
            return
        moment = next(each for each in evidence.moments() if each.step == first)
        layers = _far_behind(evidence, moment)
        still = [name for name in evidence.standing_still() if name in layers]
        explained = causes.of_vanishing(evidence) is not None
        severity = evidence.severity(harm=bool(still), explained=explained)
        if severity is None:
            yield from self._remark(evidence)
            return
        yield self._found(evidence, moment, severity, layers, still)

    def _remark(self, evidence: Evidence) -> Iterator[Finding]:
        """Of a steep decay at the start, where it does no harm that shows."""
        moment, limits = evidence.beginning, evidence.thresholds
        decay = evidence.gradient_decay(moment) if moment is not None else None
        if moment is None or decay is None or decay.zeros or evidence.fails:
            return
        steep = decay.slope <= -limits.remark_slope and decay.is_clear(limits.slope_errors)
        if steep and decay.total <= -limits.total_when_failing and len(evidence.trunk) > 2:
            yield self._found(evidence, moment, "info", _far_behind(evidence, moment), [])

    def _found(
        self,
        evidence: Evidence,
        moment: Moment,
        severity: Severity,
        layers: list[str],
        still: list[str],
    ) -> Finding:
        decay = evidence.gradient_decay(moment)
        assert decay is not None
        cause = causes.of_vanishing(evidence)
        times = "to exactly 0" if decay.zeros else f"{math.exp(-decay.slope):.3g} times a layer"
        return self.finding(
            severity,
            layers,
            f"gradients shrink {times} going back: {layers[0]} gets "
            f"{'nothing' if decay.zeros else _share(decay.total)} of what "
            f"{evidence.trunk[-1]} gets",
            first_step=moment.step,
            cause=cause.word if cause else None,
            gradient_slope=decay.slope if math.isfinite(decay.slope) else None,
            gradient_slope_error=decay.error,
            total_nats=decay.total if math.isfinite(decay.total) else None,
            exact_zeros=list(decay.zeros),
            standing_still=still,
            explanation=cause.sentence if cause else None,
        )

    def _shows(self, evidence: Evidence, moment: Moment) -> bool:
        decay, limits = evidence.gradient_decay(moment), evidence.thresholds
        if decay is None:
            return False
        if decay.zeros:  # a first step on which only the output layer learns is no decay
            return moment.step > 0 or not causes.zero_output(evidence)
        steep = decay.slope <= -limits.gradient_slope and decay.is_clear(limits.slope_errors)
        return steep and decay.total <= -limits.gradient_total

    def _must_vanish(self, evidence: Evidence, name: str) -> bool:
        """Whether σ_max of the recurrent weights is below 1: then the gradient shrinks whatever
        the states are (Pascanu et al. 2013). Gates open in training, orthogonal weights turn: of
        these nothing follows from how they start. No harm where training shows that it learns."""
        sigma = evidence.facts(name).largest_singular_value
        return evidence.fails is None and bool(evidence.runs) and sigma is not None and sigma < 1

    def _through_time(self, evidence: Evidence) -> Iterator[Finding]:
        for name, step, norms, decay in time_decays(evidence):
            if not decay.total <= -evidence.thresholds.time_total:
                continue
            cause = causes.of_recurrence(evidence, name, vanishing=True)
            harm = self._must_vanish(evidence, name)
            severity = evidence.severity(harm=harm, explained=cause.word is not None)
            if severity is None:
                continue
            lost = steps_to_one_percent(norms)
            yield self.finding(
                severity,
                [name],
                f"gradients shrink {math.exp(-decay.slope):.3g} times a step going back in time: "
                f"99% are gone {lost} steps before the end of {len(norms)}",
                first_step=step,
                cause=cause.word,
                time_slope=decay.slope if math.isfinite(decay.slope) else None,
                steps_to_one_percent=lost,
                sequence_length=len(norms),
                explanation=cause.sentence,
                **cause.figures,
            )


def _far_behind(evidence: Evidence, moment: Moment) -> list[str]:
    """The trunk's layers that get less than the threshold's share of the largest gradient."""
    key = "delta_norm"
    if not any(moment.figures.get(name, {}).get(key) is not None for name in evidence.trunk):
        key = "gradient_norm"
    norms = {name: moment.figures.get(name, {}).get(key) for name in evidence.trunk}
    known = {name: norm for name, norm in norms.items() if norm is not None}
    limit = max(known.values()) * math.exp(-evidence.thresholds.gradient_total)
    return [name for name, norm in known.items() if norm <= limit] or [evidence.trunk[0]]


def _share(total: float) -> str:
    return f"{math.exp(total):.1g}"
