"""Shares of units or values by layer, at the start and after training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.flow import Figures
from bpcli.diagnosis.statistics import median


class Shares(NamedTuple):
    """The layers whose share reaches the limit, and since which step."""

    shares: dict[str, float]
    step: int


def worst_layers(evidence: Evidence, key: str, limit: float) -> Shares | None:
    """At the start, or else after training; None where no layer reaches the limit."""
    if evidence.start is not None:
        found = _reaching(evidence.start.layers, key, limit)
        if found:
            return Shares(found, 0)
    if evidence.ends:
        names = evidence.ends[0].layers
        figures = {name: {key: _middle(evidence, name, key)} for name in names}
        found = _reaching(figures, key, limit)
        return Shares(found, _first_step(evidence, key, limit)) if found else None
    for moment in evidence.moments():
        found = _reaching(moment.figures, key, limit)
        if found:
            return Shares(found, moment.step)
    return None


def _reaching(figures: Mapping[str, Figures], key: str, limit: float) -> dict[str, float]:
    known = {name: each.get(key) for name, each in figures.items()}
    return {name: share for name, share in known.items() if share is not None and share >= limit}


def _middle(evidence: Evidence, name: str, key: str) -> float | None:
    values = [end.layers[name].get(key) for end in evidence.ends]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _first_step(evidence: Evidence, key: str, limit: float) -> int:
    for moment in evidence.moments():
        if moment.step and _reaching(moment.figures, key, limit):
            return moment.step
    last = [run[-1].step for run in evidence.recorded if run]
    return max(last, default=1)
