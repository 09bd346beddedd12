"""What a diagnosis comes to: the flow by layer, the findings, and how they are put together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.finding import Finding, by_severity
from bpcli.diagnosis.flow import Decay
from bpcli.diagnosis.folding import fold, starts_wrong
from bpcli.diagnosis.rules import LAST_RESORT, RULES, Rule
from bpcli.diagnosis.statistics import fit_line, median

# asked only where nothing at the start explains why training fails: they train again
_EXPERIMENTAL = ("learning-rate-too-high", "learning-rate-too-low")
_AT_THE_START = frozenset(
    ("vanishing-gradient", "exploding-gradient", "vanishing-activation", "exploding-activation",
     "dead-units", "saturated-units", "symmetric-units", "non-finite", "unscaled-inputs",
     "output-loss-mismatch", "wrong-gradient")
)  # fmt: skip
_SHOWN = ("gradient_norm", "delta_norm", "activation_rms", "activation_mean", "weight_norm",
          "update_ratio", "gradient_noise", "saturated", "dead_units", "time_norms")  # fmt: skip


@dataclass(frozen=True)
class LayerFlow:
    """A row of the table: a layer with weights, or a residual block."""

    name: str
    kind: str
    figures: dict[str, Any]
    predicted_delta_norm: float | None = None
    trunk: bool = True

    def as_json(self) -> dict[str, Any]:
        predicted = {"predicted_delta_norm": self.predicted_delta_norm}
        return {"name": self.name, "type": self.kind, **self.figures, **predicted}


@dataclass(frozen=True)
class Flow:
    """Slopes over the trunk, in nats a layer: of gradients going backward, of signals forward."""

    gradient: Decay | None
    activation: Decay | None
    predicted_gradient_slope: float | None

    def as_json(self) -> dict[str, Any]:
        gradient, activation = self.gradient, self.activation
        return {
            "gradient_slope": gradient.slope if gradient else None,
            "gradient_slope_error": gradient.error if gradient else None,
            "activation_slope": activation.slope if activation else None,
            "predicted_gradient_slope": self.predicted_gradient_slope,
        }


@dataclass(frozen=True)
class Diagnosis:
    """Everything that `bpcli diagnose` reports; figures may be nan or inf."""

    findings: tuple[Finding, ...]
    layers: tuple[LayerFlow, ...]
    flow: Flow
    evidence: Evidence = field(repr=False)

    @property
    def healthy(self) -> bool:
        return all(finding.severity != "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        verdict = self.evidence.verdict
        return {
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "layers": [layer.as_json() for layer in self.layers],
            "flow": self.flow.as_json(),
            "training": {
                "fails": verdict.fails,
                "share_of_plain_learner": verdict.share,
                "share_of_its_loss": verdict.loss_share,
            },
        }


def diagnose(evidence: Evidence, ignore: Iterable[str] = ()) -> Diagnosis:
    """The findings of all rules but the ignored ones (names or codes), folded, gravest first."""
    ignored = {each.lower() for each in ignore}
    rules = [rule for rule in RULES if not {rule.code.lower(), rule.name} & ignored]
    findings = _check(rules, evidence)
    if evidence.fails and not any(finding.severity == "error" for finding in findings):
        findings = _check(rules, evidence.with_thresholds(evidence.thresholds.when_failing()))
    if any(finding.name in _EXPERIMENTAL for finding in findings):
        findings += _remarks_on_weights(rules, evidence, findings)
    if LAST_RESORT in rules and not any(finding.severity == "error" for finding in findings):
        findings += LAST_RESORT.check(evidence)
    return Diagnosis(
        tuple(by_severity(fold(findings))), _table(evidence), _flow(evidence), evidence
    )


def _remarks_on_weights(
    rules: Sequence[Rule], evidence: Evidence, findings: Sequence[Finding]
) -> list[Finding]:
    """Warnings of weights that start wrong, where another learning rate would do as well."""
    known = {finding.name for finding in findings if finding.first_step == 0}
    plain = [rule for rule in rules if rule.name not in _EXPERIMENTAL]
    found = _check(plain, evidence.with_thresholds(evidence.thresholds.when_failing()))
    return [
        replace(finding, severity="warning")
        for finding in found
        if starts_wrong(finding) and finding.name not in known
    ]


def _check(rules: Sequence[Rule], evidence: Evidence) -> list[Finding]:
    findings: list[Finding] = []
    for rule in _plain_first(rules):
        if rule is LAST_RESORT:
            continue
        if rule.name in _EXPERIMENTAL and any(map(_explains_failure, findings)):
            continue
        findings += rule.check(evidence)
    return findings


def _plain_first(rules: Sequence[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: rule.name in _EXPERIMENTAL)


def _explains_failure(finding: Finding) -> bool:
    """Whether no learning rate need be tried: something at the start is the reason, with a cause
    that can be read off the network. A decay without one may be harmless."""
    if finding.severity != "error":
        return False
    at_start = finding.name in _AT_THE_START and finding.first_step == 0
    return finding.name in _EXPERIMENTAL or (at_start and finding.cause is not None)


def _shown_moment(evidence: Evidence) -> Moment | None:
    """The start; or the first step at which every layer has a gradient, if it has none there."""
    moments = list(evidence.moments())
    for moment in moments:
        decay = evidence.gradient_decay(moment)
        if decay is not None and math.isfinite(decay.slope) and not decay.zeros:
            return moment
    return moments[0] if moments else None


def _flow(evidence: Evidence) -> Flow:
    moment = _shown_moment(evidence)
    if moment is None:
        return Flow(None, None, None)
    predicted = None
    if evidence.prediction is not None:
        logs = [evidence.prediction.log_gradients.get(name) for name in evidence.trunk]
        points = [(n, value) for n, value in enumerate(reversed(logs)) if value is not None]
        line = fit_line([float(n) for n, _ in points], [value for _, value in points])
        predicted = line.slope if line is not None and len(points) == len(logs) else None
    activation = evidence.activation_decay(moment)
    return Flow(evidence.gradient_decay(moment), activation, predicted)


def _table(evidence: Evidence) -> tuple[LayerFlow, ...]:
    moment = _shown_moment(evidence)
    if moment is None:
        return ()
    predicted = _predicted(evidence, moment)
    rows = []
    for facts in evidence.layers:
        if not (facts.weighted or facts.trunk):
            continue
        figures = dict(moment.figures.get(facts.name, {}))
        figures["update_ratio"] = evidence.update_ratios.get(facts.name)
        shown = {name: figures.get(name) for name in _SHOWN if name in figures}
        rows.append(
            LayerFlow(facts.name, facts.kind, shown, predicted.get(facts.name), facts.trunk)
        )
    return tuple(rows)


def _predicted(evidence: Evidence, moment: Moment) -> dict[str, float]:
    """‖∂L/∂y‖ by theory, which knows it up to a factor: anchored where it fits the measured norms
    of the last layers best, the median of ln measured - ln predicted over the last three."""
    if evidence.prediction is None:
        return {}
    logs = evidence.prediction.log_gradients
    known = {name: value for name, value in logs.items() if value is not None}
    anchors = []
    for name in evidence.trunk[-1:]:
        measured = moment.figures.get(name, {}).get("delta_norm")
        if measured and math.isfinite(measured) and name in known:
            anchors.append(math.log(measured) - known[name])
    if not anchors:
        return {}
    shift = median(anchors)
    return {name: math.exp(min(value + shift, 700)) for name, value in known.items()}
