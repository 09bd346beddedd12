"""BP105: to the last layers all examples look alike."""

from __future__ import annotations

from collections.abc import Iterator

import bpcli.diagnosis.causes as causes
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.rules.rule import Explanation, Rule


class RankCollapse(Rule):
    code = "BP105"
    name = "rank-collapse"
    summary = "all examples look alike to the last layers"
    explanation = Explanation(
        what="""\
The variance between examples in the last hidden layer is less than 1% of its mean square: whatever
the input is, this layer says the same.""",
        why="""\
The correlation of two different inputs goes to 1 with depth where weights are below criticality
(and for ReLU slowly even at it). What the network should tell apart is then a small ripple on a
large constant; learning has to amplify it first.""",
        example="""\
network:
  - repeat: {times: 12, layers: [{dense: 32}, sigmoid]}
  - dense: 10""",
        cure="""\
Start at criticality, where correlations converge slowest; an odd activation like tanh, which keeps
means at 0; normalization or residual blocks.""",
        reference="Poole et al. 2016; Schoenholz et al. 2017; Daneshmand et al. 2020",
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.fails or evidence.start is None or len(evidence.trunk) < 3:
            return
        spreads = {
            name: figures["spread"]
            for name, figures in evidence.start.layers.items()
            if name in evidence.trunk[1:-1]
            and figures.get("spread") is not None
            and figures["activation_rms"] > 0
        }
        limit = evidence.thresholds.collapse_spread
        layers = [name for name, spread in spreads.items() if spread < limit]
        if not layers or evidence.trunk[-2] not in layers:
            return
        cause = causes.of_vanishing(evidence)
        last = spreads[evidence.trunk[-2]]
        yield self.finding(
            "error",
            layers,
            f"all examples look alike: only {last:.1g} of the mean square of {evidence.trunk[-2]} "
            "differs between them",
            cause=cause.word if cause else None,
            spread=last,
            explanation=cause.sentence if cause else None,
        )
