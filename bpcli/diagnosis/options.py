"""What a spec wishes of its diagnosis, checked: thresholds by name, findings to leave out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bpcli.diagnosis.rules import RULES, find_rule
from bpcli.diagnosis.thresholds import Thresholds, threshold_problems
from bpcli.errors import Problem, SpecError
from bpcli.spec.model import Spec
from bpcli.spec.suggestions import did_you_mean


class Options(NamedTuple):
    """What a diagnosis is told."""

    thresholds: Thresholds
    ignore: tuple[str, ...]  # names and codes


def options_of(spec: Spec, ignore: Iterable[str] = ()) -> Options:
    """The spec's, and more findings to ignore; raises SpecError on names that there are not."""
    problems = threshold_problems(spec)
    for index, name in enumerate(spec.diagnosis.ignore):
        if find_rule(name) is None:
            path = f"diagnosis.ignore.{index}"
            message = f"unknown finding {name!r} at {path}{hint_of_findings(name)}"
            problems.append(Problem(message, spec.source.file, *spec.source.place(path)))
    if problems:
        raise SpecError(problems)
    thresholds = Thresholds().with_values(dict(spec.diagnosis.thresholds))
    return Options(thresholds, (*spec.diagnosis.ignore, *ignore))


def hint_of_findings(name: str) -> str:
    """; did you mean 'dead-units'?"""
    known = [word for rule in RULES for word in (rule.code, rule.name)]
    return did_you_mean(name, known) or "; `bpcli explain` lists all findings"
