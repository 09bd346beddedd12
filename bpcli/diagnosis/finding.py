"""A finding: what is wrong with how a network trains, why, and what would cure it. Plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bpcli.spec.changes import Change

__all__ = ["SEVERITIES", "Change", "Finding", "Remedy", "Severity", "by_severity"]

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # most severe first


@dataclass(frozen=True)
class Remedy:
    """Changes that together should cure a finding, and in a few words what they do."""

    description: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, since when and why.

    - ``code``, ``name``  of the rule that found it: BP101, vanishing-gradient
    - ``severity``        error: training fails or stands still; warning: it suffers; info: a remark
    - ``layers``          the names of the layers concerned, in forward order
    - ``first_step``      the first training step that shows it; 0: at initialisation
    - ``cause``           a word for the cause, like ``saturating-activation``; None where unknown
    - ``message``         one sentence for people
    - ``evidence``        the figures it rests on, by name; symptoms folded under it stand there as
                          ``symptoms``, a list of finding names
    - ``remedies``        in order of likely benefit and least intrusion
    """

    code: str
    name: str
    severity: Severity
    layers: tuple[str, ...]
    first_step: int
    cause: str | None
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    remedies: tuple[Remedy, ...] = ()

    def with_remedies(self, remedies: tuple[Remedy, ...]) -> Finding:
        return replace(self, remedies=remedies)

    def as_json(self) -> dict[str, Any]:
        """As ``bpcli diagnose --format json`` prints it."""
        return asdict(self)


def by_severity(findings: list[Finding]) -> list[Finding]:
    """Most severe first; among equals the order stays."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
