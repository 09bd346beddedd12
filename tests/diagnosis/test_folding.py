"""One disease, one finding: which findings stand, and which are symptoms of another."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.folding import FOLLOWS, fold, starts_wrong
from bpcli.diagnosis.rules import RULES


def finding(
    name: str,
    severity: Any = "error",
    *,
    step: int = 0,
    cause: str | None = "some-cause",
    layers: tuple[str, ...] = ("dense_1",),
    **evidence: Any,
) -> Finding:
    if name == "dead-units":
        evidence.setdefault("dead_units", {"dense_1": 1.0})
    return Finding("BP000", name, severity, layers, step, cause, f"{name}.", evidence)


def folded(*findings: Finding) -> dict[str, list[str]]:
    """The findings that stand, each with its symptoms."""
    return {each.name: each.evidence.get("symptoms", []) for each in fold(list(findings))}


def test_every_name_in_the_table_is_that_of_a_rule() -> None:
    known = {rule.name for rule in RULES}
    assert set(FOLLOWS) <= known
    assert {name for names in FOLLOWS.values() for name in names} <= known
    for name, symptoms in FOLLOWS.items():
        assert name not in symptoms
        assert len(set(symptoms)) == len(symptoms)


def test_one_finding_stands_as_it_is() -> None:
    alone = finding("vanishing-gradient")
    assert fold([alone]) == [alone]
    assert fold([]) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("saturated-units", "vanishing-gradient", "rank-collapse"),
         {"vanishing-gradient": ["rank-collapse", "saturated-units"]}),
        (("non-finite", "exploding-gradient", "exploding-activation"),
         {"exploding-gradient": ["exploding-activation", "non-finite"]}),
        (("vanishing-gradient", "unscaled-inputs", "saturated-units"),
         {"unscaled-inputs": ["saturated-units", "vanishing-gradient"]}),
        (("vanishing-gradient", "dead-units", "vanishing-activation"),
         {"dead-units": ["vanishing-activation", "vanishing-gradient"]}),
        (("exploding-gradient", "wrong-gradient", "symmetric-units"),
         {"wrong-gradient": ["exploding-gradient", "symmetric-units"]}),
        (("symmetric-units", "output-loss-mismatch"),
         {"symmetric-units": [], "output-loss-mismatch": []}),
    ],
)  # fmt: skip
def test_what_follows_from_a_graver_finding_is_its_symptom(
    names: tuple[str, ...], expected: dict[str, list[str]]
) -> None:
    """In whatever order the rules come."""
    for order in permutations(names):
        assert folded(*map(finding, order)) == expected


def test_a_warning_is_no_reason_for_an_error() -> None:
    """The error comes first, so it stands; the warning is folded only if it follows from it."""
    found = folded(finding("unscaled-inputs", "warning"), finding("vanishing-gradient"))
    assert found == {"vanishing-gradient": [], "unscaled-inputs": []}
    found = folded(finding("vanishing-gradient"), finding("saturated-units", "warning"))
    assert found == {"vanishing-gradient": ["saturated-units"]}


def test_what_stood_at_the_start_comes_before_what_came_with_training() -> None:
    late = finding("exploding-gradient", step=40)
    found = folded(late, finding("dead-units"))
    assert list(found) == ["dead-units", "exploding-gradient"]


def test_a_part_of_a_layer_that_is_dead_does_not_cut_the_network() -> None:
    found = folded(
        finding("dead-units", dead_units={"dense_1": 0.6}), finding("vanishing-gradient")
    )
    assert found == {"vanishing-gradient": ["dead-units"]}


def test_a_learning_rate_explains_what_arose_in_training_but_no_weights() -> None:
    rate = finding("learning-rate-too-high", cause=None)
    arose = finding("exploding-activation", step=12, cause=None)
    assert folded(rate, arose) == {"learning-rate-too-high": ["exploding-activation"]}
    start = finding("exploding-activation", cause="large-init")
    assert starts_wrong(start)
    assert not starts_wrong(arose)
    assert folded(rate, start) == {"exploding-activation": ["learning-rate-too-high"]}
    warned = finding("exploding-activation", "warning", cause="large-init")
    assert set(folded(rate, warned)) == {"learning-rate-too-high", "exploding-activation"}


def test_the_same_finding_of_the_same_layers_stands_once_and_is_no_symptom_of_itself() -> None:
    twice = [finding("dead-units"), finding("dead-units", "warning")]
    assert folded(*twice) == {"dead-units": []}
    apart = [finding("dead-units"), finding("dead-units", layers=("dense_3",))]
    assert len(fold(apart)) == 2


def test_the_evidence_that_a_finding_has_is_kept() -> None:
    (found,) = fold([finding("vanishing-gradient", slope=-1.5), finding("saturated-units")])
    assert found.evidence == {"slope": -1.5, "symptoms": ["saturated-units"]}
