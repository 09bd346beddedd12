"""The search for a cure: what it finds, how small it is, what it spends, when it gives up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bpcli.data import load_data
from bpcli.diagnosis.candidates import Bench, Budget, Candidate, settled_score
from bpcli.diagnosis.cure import Cure, cure
from bpcli.diagnosis.diagnosis import Diagnosis, Flow
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.trial import Score, Trial
from bpcli.spec import parse_spec
from bpcli.spec.changes import changed
from bpcli.spec.model import Spec

BLOBS = {"generate": {"blobs": {"samples": 240, "classes": 3}}, "split": {"validation": 0.25}}
HE = {"init": "he_normal"}


def spec_of(*network: Any, **others: Any) -> Spec:
    content = {
        "data": BLOBS,
        "network": list(network),
        "loss": "cross_entropy",
        "optimizer": {"adam": {"learning_rate": 0.01}},
        "training": {"epochs": 6, "batch_size": 16},
    }
    return parse_spec(json.dumps(content | others))


def dense(units: int, **options: Any) -> dict[str, Any]:
    return {"dense": {"units": units, **options}}


def finding(name: str, **evidence: Any) -> Finding:
    return Finding("BP000", name, "error", (), 0, None, "", evidence)


def healthy(spec: Spec) -> Diagnosis:
    return Diagnosis((), (), Flow(None, None, None), None)  # type: ignore[arg-type]


def cured(spec: Spec, *names: str, examine: Any = healthy, **limits: Any) -> Cure:
    budget = Budget(**({"runs": 40} | limits))
    return cure(spec, load_data(spec), [finding(name) for name in names], budget, examine)


def texts(found: Cure) -> list[str]:
    assert found.best is not None
    return [str(change) for change in found.best.changes]


ALIKE = spec_of(dense(8, init="zeros"), "relu", dense(8, init="zeros"), "relu", dense(3, **HE))


def test_it_finds_what_is_wrong_and_changes_nothing_else() -> None:
    found = cured(ALIKE, "symmetric-units")
    assert texts(found) == [
        "network.0.dense.init: he_normal", "network.2.dense.init: he_normal"
    ]  # fmt: skip
    assert found.best is not None
    assert found.best.score > 0.9 > 0.5 > found.original.score


def test_before_and_after_are_of_the_same_steps_and_seeds() -> None:
    found = cured(ALIKE, "symmetric-units")
    assert found.best is not None
    before, after = found.original.trials, found.best.trials
    assert [trial.seed for trial in before] == [trial.seed for trial in after]
    assert {trial.steps for trial in (*before, *after)} == {found.steps} == {6 * 12}
    assert len(after) == 3


def test_a_change_that_is_not_needed_is_taken_away_again() -> None:
    """Six sigmoid layers cannot be trained in so few steps; whichever activation cures them needs
    no change of an initialization that is fine for it."""
    body = [layer for _ in range(6) for layer in (dense(16, **HE), "sigmoid")]
    found = cured(spec_of(*body, dense(3)), "vanishing-gradient")
    assert found.best is not None
    assert found.best.score > 0.9
    assert {change.split(": ")[0] for change in texts(found)} == {
        f"network.{place}" for place in range(1, 12, 2)
    }


def test_the_learning_rate_that_an_experiment_found_comes_first() -> None:
    spec = spec_of(dense(16, **HE), "relu", dense(3), optimizer={"adam": {"learning_rate": 1e-7}})
    found = cure(
        spec, load_data(spec), [finding("learning-rate-too-low", better_learning_rate=0.01)],
        Budget(runs=40), healthy,
    )  # fmt: skip
    assert texts(found) == ["optimizer.adam.learning_rate: 0.01"]
    assert found.tried[0] is found.best


def test_a_wrong_name_is_no_obstacle() -> None:
    """When what suits the finding does not help, everything else is tried."""
    spec = spec_of(dense(16, **HE), "relu", dense(3), optimizer={"adam": {"learning_rate": 1e-7}})
    found = cured(spec, "output-loss-mismatch")
    assert [text.split(":")[0] for text in texts(found)] == ["optimizer.adam.learning_rate"]


def test_two_ills_need_two_treatments() -> None:
    spec = replace(ALIKE, optimizer=replace(ALIKE.optimizer, learning_rate=1e-6))
    found = cured(spec, "symmetric-units", "learning-rate-too-low", runs=60)
    places = {text.split(":")[0].rpartition(".")[2] for text in texts(found)}
    assert places == {"init", "learning_rate"}


def test_nothing_helps_where_there_is_nothing_to_learn() -> None:
    noise = {"generate": {"gaussian": {"samples": 200}}, "split": {"validation": 0.4}}
    spec = spec_of(dense(8, init="zeros"), "relu", dense(2), data=noise)
    found = cured(spec, "symmetric-units", runs=20)
    assert found.best is None
    assert found.after is None
    assert found.tried


def test_the_budget_of_runs_is_kept() -> None:
    spec = spec_of(dense(8, init="zeros"), "relu", dense(8), "softmax", dense(3), "softmax")
    found = cured(spec, "learning-rate-too-low", runs=5)
    assert found.runs <= 5 + 3  # a comparison that has begun is made


def test_the_budget_of_seconds_shortens_the_runs() -> None:
    spec = replace(ALIKE, training=replace(ALIKE.training, epochs=100_000))
    budget = Budget(seconds=3, clock=iter(range(1000)).__next__)
    bench = Bench(spec, load_data(spec), budget, share=0.1)
    assert 10 < bench.steps < 5000
    assert budget.left() == pytest.approx(1 - 1 / 3)
    assert budget.left() == pytest.approx(1 - 2 / 3)


def test_a_candidate_whose_diagnosis_has_no_errors_is_preferred() -> None:
    """The original finding stays with every change of the weights, and goes with a norm."""

    def examine(spec: Spec) -> Diagnosis:
        cleared = any(layer.name == "layer_norm" for layer in spec.network)
        findings = () if cleared else (finding("vanishing-gradient"),)
        return replace(healthy(spec), findings=findings)

    body = [
        layer for _ in range(8) for layer in (dense(16, init={"normal": {"std": 0.01}}), "relu")
    ]
    found = cured(spec_of(*body, dense(3)), "vanishing-gradient", examine=examine, runs=60)
    assert found.after is not None
    assert found.best is not None
    remaining = [each.name for each in found.after.findings]
    assert remaining == [] or not any("layer_norm" in each.description for each in found.tried)


def test_a_candidate_that_cannot_be_trained_is_the_worst_and_no_crash() -> None:
    spec = ALIKE
    missing = replace(spec.data, generate=None, path="missing.csv")
    bench = Bench(spec, load_data(spec), Budget(), share=1)
    candidate = Candidate((), "", (), replace(spec, data=missing))
    bench.train(candidate, 2)
    assert candidate.score == -1


@pytest.mark.parametrize(
    ("scores", "settled"),
    [([0.1, 0.9, 0.8, 0.7], 0.8), ([0.5], 0.5), ([], -1), ([0.9, float("nan")], -1), ([-8.0], -1)],
)
def test_a_score_is_what_training_holds_at_its_end(scores: list[float], settled: float) -> None:
    trial = Trial(0, 10, scores=[Score(n, 1.0, score) for n, score in enumerate(scores)])
    assert settled_score(trial) == pytest.approx(settled)


def test_the_changes_make_the_spec_that_was_trained() -> None:
    found = cured(ALIKE, "symmetric-units")
    assert found.best is not None
    assert changed(ALIKE, found.best.changes) == found.best.spec
