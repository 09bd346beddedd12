"""BP403: inputs of a size that the network was not made for."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.facts import Inputs
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class UnscaledInputs(Rule):
    code = "BP403"
    name = "unscaled-inputs"
    summary = "inputs of a size the network was not made for"
    explanation = Explanation(
        what="""\
The inputs' root mean square is far from 1, or some columns vary much more than others, training
fails, and the same training on standardized inputs does not fail.""",
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
        if not evidence.fails or inputs is None or inputs.codes or evidence.experiment is None:
            return
        limits = evidence.thresholds
        large = inputs.root_mean_square > limits.input_size
        small = inputs.root_mean_square < 1 / limits.input_size
        if not (large or small or inputs.spread > limits.input_spread):
            return
        share = evidence.experiment("standard inputs")
        if share is None or share < limits.cured_share:
            return
        yield self.finding(
            "error",
            evidence.trunk[:1],
            f"{_describe(inputs, large or small)}: the same training on standardized inputs does "
            "well",
            cause="inputs-unscaled",
            root_mean_square=inputs.root_mean_square,
            spread=inputs.spread,
            share_with_scaling=share,
        )


def _describe(inputs: Inputs, by_size: bool) -> str:
    if by_size:
        return f"the inputs have a root mean square of {inputs.root_mean_square:.2g}, not about 1"
    return f"one input column varies {inputs.spread:.2g} times as much as most"
