"""Activations that pass the gradient, in place of those that flatten or explode it."""

from __future__ import annotations

from collections.abc import Callable

from bpcli.diagnosis.remedies.outline import Outline
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change

# whose slope is at most ¼, or grows without bound, or that couple all units
_POOR = frozenset(("sigmoid", "exponential", "softplus", "softmax"))
_DYING = frozenset(("relu",))
_BENT = _POOR | {"tanh"}


def _instead_of(names: frozenset[str], new: str) -> Callable[[Outline], Prescription | None]:
    def prescribe(outline: Outline) -> Prescription | None:
        replaced = [each for each in outline.activations if each.name in names]
        changes = [Change("set", each.place, new) for each in replaced]
        if not changes:
            return None
        kinds = ", ".join(dict.fromkeys(each.name for each in replaced))
        return f"{kinds} -> {new}", changes

    return prescribe


TANH = Treatment("tanh", 2, _instead_of(_POOR, "tanh"))
RELU = Treatment("relu", 2, _instead_of(_BENT, "relu"))
LEAKY_RELU = Treatment("leaky relu", 2, _instead_of(_DYING, "leaky_relu"))
ELU = Treatment("elu", 2, _instead_of(_POOR | _DYING, "elu"))
TANH_FOR_ALL = Treatment("tanh everywhere", 2, _instead_of(_POOR | _DYING, "tanh"))
