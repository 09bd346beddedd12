"""From a finding and a spec to changes of that spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bpcli.diagnosis.finding import Change, Finding, Remedy
from bpcli.diagnosis.remedies.courses import Course, courses_for
from bpcli.diagnosis.remedies.outline import outline
from bpcli.errors import SpecError
from bpcli.network.layer import Shape
from bpcli.spec.changes import changed
from bpcli.spec.model import Spec

MOST_REMEDIES = 4  # that a finding shows

Layers = Mapping[str, type] | None  # a user's own


def prescribe(
    spec: Spec, course: Course, input_shape: Shape, layers: Layers = None
) -> tuple[Remedy, Spec] | None:
    """The course's changes of the spec, and what they make of it; None where the first treatment
    has nothing to do, or the changes make no network."""
    changes: list[Change] = []
    words: list[str] = []
    for number, treatment in enumerate(course):
        try:
            found = treatment.prescribe(outline(spec, input_shape))
            if found is None or not found[1]:
                if number == 0:
                    return None
                continue
            spec = changed(spec, found[1], layers)
            outline(spec, input_shape)
        except SpecError:
            return None
        words.append(found[0])
        changes += found[1]
    return Remedy("; ".join(words), tuple(changes)), spec


def with_remedies(
    findings: Iterable[Finding], spec: Spec, input_shape: Shape, layers: Layers = None
) -> tuple[Finding, ...]:
    """The findings, each with its remedies for this spec."""
    return tuple(
        finding.with_remedies(remedies_for(finding, spec, input_shape, layers))
        for finding in findings
    )


def remedies_for(
    finding: Finding, spec: Spec, input_shape: Shape, layers: Layers = None
) -> tuple[Remedy, ...]:
    """The first remedies for a finding that this spec can take, in order of likely benefit."""
    found: list[Remedy] = []
    for course in courses_for([finding]):
        prescribed = prescribe(spec, course, input_shape, layers)
        if prescribed and prescribed[0].changes not in [each.changes for each in found]:
            found.append(prescribed[0])
        if len(found) == MOST_REMEDIES:
            break
    return tuple(found)
