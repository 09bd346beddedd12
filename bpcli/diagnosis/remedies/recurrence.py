"""Recurrent layers that carry the gradient through time."""

from __future__ import annotations

from bpcli.diagnosis.remedies.outline import Outline, Written
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change
from bpcli.spec.dump import plain_value
from bpcli.spec.initializers import Orthogonal
from bpcli.spec.options import options_of


def orthogonal(outline: Outline) -> Prescription | None:
    """Weights whose singular values are all 1 neither shrink nor stretch (Saxe et al. 2014)."""
    changes = [
        Change("set", f"{each.options}.recurrent_init", "orthogonal")
        for each in _cells(outline, "rnn", "lstm", "gru")
        if each.option("recurrent_init") != Orthogonal()
    ]
    return ("recurrent_init orthogonal", changes) if changes else None


def irnn(outline: Outline) -> Prescription | None:
    """ReLU and the identity: at the start the state is kept as it is (Le, Jaitly & Hinton 2015)."""
    changes = []
    for each in _cells(outline, "rnn"):
        changes.append(Change("set", f"{each.options}.activation", "relu"))
        changes.append(Change("set", f"{each.options}.recurrent_init", "identity"))
    return ("relu and recurrent_init identity", changes) if changes else None


def gru(outline: Outline) -> Prescription | None:
    return _gated(outline, "gru")


def lstm(outline: Outline) -> Prescription | None:
    return _gated(outline, "lstm")


def _gated(outline: Outline, name: str) -> Prescription | None:
    """Gates that can hold the state over many steps (Hochreiter & Schmidhuber 1997; Cho 2014)."""
    cells = _cells(outline, "rnn")
    changes = [Change("set", each.place, {name: _kept(each)}) for each in cells]
    return (f"rnn -> {name}", changes) if changes else None


def _kept(cell: Written) -> dict[str, object]:
    """The options that gated cells share, without those that shaped the trouble."""
    values = {option: getattr(cell.layer, option.field) for option in options_of(type(cell.layer))}
    return {
        option.key: plain_value(value, option.kind)
        for option, value in values.items()
        if option.key in ("units", "return", "name") and value != option.default
    }


def _cells(outline: Outline, *names: str) -> list[Written]:
    return [each for each in outline.layers if each.name in names]


ORTHOGONAL_RECURRENCE = Treatment("orthogonal recurrence", 1, orthogonal)
IRNN = Treatment("irnn", 2, irnn)
GRU = Treatment("gru", 3, gru)
LSTM = Treatment("lstm", 3, lstm)
