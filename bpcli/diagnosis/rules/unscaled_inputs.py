"""BP403: inputs of a size that the network was not made for."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.facts import Inputs
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule

_USUAL = 4.0  # times the critical σ_w²: twice as large a deviation
_PASSING = ("flatten", "dropout", "identity")  # inputs leave them as large as they came


class UnscaledInputs(Rule):
    code = "BP403"
    name = "unscaled-inputs"
    summary = "inputs of a size the network was not made for"
    explanation = Explanation(
        what="""\
The inputs' root mean square is far from 1, or some columns vary much more than others, training
fails, and the same training on standardized inputs does not fail. Or they are so large that they
alone press the units of the first layer to where their activation is flat: a warning where
training does well all the same.""",
        why="""\
Initializers keep a signal of size 1 at size 1. Inputs of size 1,000 saturate or kill the first
units, and make the curvature, which grows with the square of the inputs, too large for the learning
rate; columns of different sizes make it long in some directions and short in others. Unscaled
inputs that do no harm are no finding.""",
        example="""\
data:
  generate: {blobs: {samples: 600, classes: 10}}
  scale: 0.001  # inputs of that size""",
        cure="data: {scale: standard}, or minmax.",
        reference="LeCun et al. 1998 (Efficient BackProp), section 4.3",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        inputs = evidence.inputs
        if inputs is None or inputs.codes or evidence.experiment is None:
            return
        limits = evidence.thresholds
        large = inputs.root_mean_square > limits.input_size
        small = inputs.root_mean_square < 1 / limits.input_size
        if not (large or small or inputs.spread > limits.input_spread):
            return
        share = evidence.experiment("standard inputs") if evidence.fails else None
        if share is not None and share >= limits.cured_share:
            consequence = "the same training on standardized inputs does well"
        elif large and (saturated := _saturated_by(evidence)) is not None:
            consequence = f"they press {saturated} to where it is flat"
        else:
            return
        yield self.finding(
            "error" if evidence.fails else "warning",
            evidence.trunk[:1],
            f"{_describe(inputs, large or small)}: {consequence}",
            cause="inputs-unscaled",
            root_mean_square=inputs.root_mean_square,
            spread=inputs.spread,
            share_with_scaling=share,
        )


def _saturated_by(evidence: Evidence) -> str | None:
    """The activation of the first layer, if it starts saturated although its weights are usual:
    those of inputs of size 1 would not be."""
    first = next((each for each in evidence.layers if each.kind not in _PASSING), None)
    if first is None or first.gain is None or not first.critical_gain or first.normalized:
        return None
    activation = next((each for each in evidence.layers if each.kind == first.activation), None)
    usual = first.gain <= _USUAL * first.critical_gain
    if not usual or activation is None or evidence.start is None:
        return None
    share = evidence.start.layers.get(activation.name, {}).get("saturated")
    limit = evidence.thresholds.saturated_share
    return activation.name if share is not None and share >= limit else None


def _describe(inputs: Inputs, by_size: bool) -> str:
    if by_size:
        return f"the inputs have a root mean square of {inputs.root_mean_square:.2g}, not about 1"
    return f"one input column varies {inputs.spread:.2g} times as much as most"
