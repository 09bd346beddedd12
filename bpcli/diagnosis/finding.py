"""A finding: what is wrong with how a network trains, why, and what would cure it. Plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # most severe first

Operation = Literal["set", "insert", "remove", "wrap"]


@dataclass(frozen=True)
class Change:
    """One edit of a spec, at a path of its normal form (``network.2.dense.init``).

    ``set``     gives the path that value, as ``--set PATH=VALUE`` does: an option that the spec
                leaves out is added; a layer (``network.3``) is replaced whole
    ``insert``  puts the value into a list, before the item at the path (``network.3``); the index
                one beyond the last item appends
    ``remove``  takes the item or option at the path away; the value is None
    ``wrap``    puts what stands at the path into a new layer that the value names: the layer at
                ``network.3`` becomes ``{value: [layer]}``; the layers ``network.3:6`` (three, the
                end excluded, as in Python), or the whole list at ``network.2.repeat.layers``,
                become one ``{value: [layers]}``; a value like ``{residual: {projection: true}}``
                gives the new layer options besides its ``layers``

    The value is plain data, as YAML would give it. Changes are made in order, so each path is a
    path of the spec as the changes before it left it. Layers inside a `repeat` are addressed where
    they are written, ``network.1.repeat.layers.0``, and changed in all its copies.
    """

    op: Operation
    path: str
    value: Any = None


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
