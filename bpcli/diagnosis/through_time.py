"""Gradients along time: ‖∂L/∂hₜ‖ of recurrent layers, going back from the last step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bpcli.diagnosis.evidence import Evidence, Moment
from bpcli.diagnosis.flow import Decay, time_decay

_GONE = 0.01


def time_decays(evidence: Evidence) -> Iterator[tuple[str, int, list[float], Decay]]:
    """(layer, step, norms, decay) for each recurrent layer, at the start or the first record.

    Only where the gradient enters at the end of time: a layer that returns its whole sequence is
    given gradients at every step, which tell nothing of what passes between them.
    """
    moment = next(evidence.moments(), None)
    if moment is None:
        return
    for facts in evidence.layers:
        norms = _norms(moment, facts.name)
        if norms is None or not facts.last_state_only:
            continue
        decay = time_decay(norms)
        if decay is not None:
            yield facts.name, moment.step, norms, decay


def _norms(moment: Moment, name: str) -> list[float] | None:
    norms = moment.figures.get(name, {}).get("time_norms")
    return list(norms) if norms and len(norms) > 2 else None


def steps_to_one_percent(norms: Sequence[float]) -> int:
    """How many steps before the last one less than 1% of the last one's gradient arrives."""
    last = norms[-1]
    for back, norm in enumerate(reversed(norms)):
        if norm < _GONE * last:
            return back
    return len(norms)
