"""Where a finding points: layers, steps, and lines of the spec."""

from __future__ import annotations

from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.finding import Finding
from bpcli.spec.model import Place

# findings that a setting makes, whatever layers show them
_SETTINGS = {
    "learning-rate-too-high": "optimizer",
    "learning-rate-too-low": "optimizer",
    "unscaled-inputs": "data",
}


def where(finding: Finding) -> str:
    """dense_1 to dense_9, from step 1 on"""
    places = ", ".join(finding.layers[:2])
    if len(finding.layers) > 2:
        places = f"{finding.layers[0]} to {finding.layers[-1]}"
    since = "from the start" if finding.first_step == 0 else f"from step {finding.first_step:,} on"
    return f"{places}, {since}" if places else since


def spec_places(diagnosis: Diagnosis, finding: Finding) -> list[Place]:
    """The places in the spec of its layers or its setting; none where there is no spec."""
    subject = diagnosis.evidence.subject
    if subject is None:
        return []
    setting = _SETTINGS.get(finding.name)
    paths = [setting] if setting else [_path(diagnosis, name) for name in finding.layers]
    places = (subject.spec.source.place(path) for path in dict.fromkeys(paths or ["network"]))
    return sorted({place for place in places if place.line})


def _path(diagnosis: Diagnosis, layer: str) -> str:
    known = {facts.name: facts.place for facts in diagnosis.evidence.layers}
    return known.get(layer) or "network"
