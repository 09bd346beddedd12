"""What can be done about a finding: a treatment looks at a spec and prescribes changes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpcli.diagnosis.remedies.outline import Outline
from bpcli.spec.changes import Change

Prescription = tuple[str, list[Change]]  # a few words, and what is changed


@dataclass(frozen=True)
class Treatment:
    """``prescribe`` gives None, or no changes, where there is nothing of the kind to do.

    ``intrusion`` orders treatments by how much of the user's design they touch: 1 a number or
    word of a setting, 2 what all layers of a kind are, 3 the architecture.
    """

    name: str
    intrusion: int
    prescribe: Callable[[Outline], Prescription | None]
