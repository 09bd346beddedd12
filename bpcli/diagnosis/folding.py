"""One disease, one finding: what follows from another finding is folded under it."""

from __future__ import annotations

from dataclasses import replace

from bpcli.diagnosis.finding import SEVERITIES, Finding

_FLOWS = (
    "vanishing-gradient", "exploding-gradient", "vanishing-activation", "exploding-activation",
    "rank-collapse", "dead-units", "saturated-units", "non-finite",
)  # fmt: skip
_OF_WEIGHTS = ("small-init", "large-init", "zero-init")
_RATES = ("learning-rate-too-high", "learning-rate-too-low")

# what each disease may bring about, the gravest disease first
FOLLOWS: dict[str, tuple[str, ...]] = {
    "wrong-gradient": (*_FLOWS, *_RATES, "symmetric-units", "unscaled-inputs"),
    "symmetric-units": (*_FLOWS, *_RATES),
    "unscaled-inputs": (*_FLOWS, *_RATES),
    "output-loss-mismatch": (*_FLOWS, *_RATES),
    "exploding-gradient": ("exploding-activation", "saturated-units", "non-finite",
                           "rank-collapse", "dead-units", *_RATES),
    "exploding-activation": ("exploding-gradient", "saturated-units", "non-finite",
                             "rank-collapse", "dead-units", *_RATES),
    "dead-units": ("vanishing-gradient", "vanishing-activation", "rank-collapse", *_RATES),
    "vanishing-gradient": ("vanishing-activation", "rank-collapse", "dead-units",
                           "saturated-units", *_RATES),
    "vanishing-activation": ("vanishing-gradient", "rank-collapse", "dead-units", *_RATES),
    "saturated-units": ("vanishing-gradient", "exploding-gradient", "rank-collapse", *_RATES),
    "learning-rate-too-high": _FLOWS,
    "learning-rate-too-low": _FLOWS,
}  # fmt: skip
_GRAVITY = {name: rank for rank, name in enumerate(FOLLOWS)}


def fold(findings: list[Finding]) -> list[Finding]:
    """The findings that follow from no other one, each with its ``symptoms``.

    A finding follows from a graver one of the same severity or a higher one that came no later;
    a learning rate explains all that arose while training.
    """
    ordered = sorted(findings, key=_rank)
    kept: list[Finding] = []
    symptoms: dict[int, list[str]] = {}
    for finding in ordered:
        host = next((n for n, other in enumerate(kept) if _explains(other, finding)), None)
        if host is None:
            kept.append(finding)
        elif finding.name != kept[host].name:
            symptoms.setdefault(host, []).append(finding.name)
    return [
        replace(finding, evidence={**finding.evidence, "symptoms": sorted(set(symptoms[n]))})
        if n in symptoms
        else finding
        for n, finding in enumerate(kept)
    ]


def _rank(finding: Finding) -> tuple[int, bool, float]:
    """Errors first; what stood at the start for a known cause before what came with training or
    has none; the gravest first."""
    gravity = float(_GRAVITY.get(finding.name, len(_GRAVITY)))
    if finding.name == "dead-units" and max(finding.evidence["dead_units"].values()) < 0.999:
        gravity = _GRAVITY["vanishing-gradient"] + 0.5  # a part of a layer cuts nothing in two
    late = finding.name in _FLOWS and (finding.first_step > 0 or finding.cause is None)
    return SEVERITIES.index(finding.severity), late, gravity


def starts_wrong(finding: Finding) -> bool:
    """Whether it is about the weights as they start: no learning rate brings that about."""
    return finding.first_step == 0 and finding.cause in _OF_WEIGHTS


def _explains(cause: Finding, other: Finding) -> bool:
    if cause.name == other.name:
        return cause.layers == other.layers
    if cause.name in _RATES and starts_wrong(other):
        return False
    return other.name in FOLLOWS.get(cause.name, ())
