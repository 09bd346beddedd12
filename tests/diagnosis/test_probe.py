"""How the evidence about a spec is gathered: what is measured, trained, and tried again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.data import Dataset, load_data
from bpcli.diagnosis import probe as probing
from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.flow import LayerFacts
from bpcli.diagnosis.measurement import Measurement
from bpcli.diagnosis.prediction import signal_of
from bpcli.diagnosis.probe import SEEDS_AT_START, Probe, diagnose_spec
from bpcli.diagnosis.reference import expectation
from bpcli.diagnosis.rules.learning_rate_too_low import LearningRateTooLow
from bpcli.diagnosis.thresholds import Thresholds
from bpcli.diagnosis.trial import run_trial, sample
from bpcli.diagnosis.verdict import Verdict
from bpcli.spec import parse_spec
from bpcli.spec.model import Spec

SPEC = """\
data: {generate: {circles: {samples: 200}}, split: {validation: 0.2}}
network: [{dense: 8}, tanh, {dense: 2}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.05}}
training: {epochs: 5, batch_size: 16}
"""


def made(text: str = SPEC, folder: Path = Path()) -> tuple[Spec, Dataset, list[str], Probe]:
    spec = parse_spec(text, folder=folder)
    dataset, said = load_data(spec), []
    return spec, dataset, said, Probe(spec, dataset, Thresholds(), said.append)


class Trials:
    """Counts the runs that a probe makes, by their seed and length."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[tuple[int, int]] = []
        monkeypatch.setattr(probing, "run_trial", self)

    def __call__(self, spec: Spec, dataset: Any, seed: int, steps: int, **more: Any) -> Any:
        self.runs.append((seed, steps))
        return run_trial(spec, dataset, seed, steps, **more)


def test_without_training_the_network_is_measured_as_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = Trials(monkeypatch)
    _, _, said, probe = made()
    evidence = probe.evidence(train=False)
    assert evidence.start is not None
    assert list(evidence.start.layers) == ["dense_1", "tanh_1", "dense_2"]
    assert (list(evidence.runs), list(evidence.ends), trials.runs) == ([], [], [])
    assert evidence.fails is None
    assert said == ["measuring the network as it starts", "checking the gradients"]


def test_the_start_is_measured_over_several_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    real = probing.measure

    def measure(networks: Any, batches: Any) -> Any:
        seen.append([network.seed for network in networks])
        return real(networks, batches)

    monkeypatch.setattr(probing, "measure", measure)
    _, _, _, probe = made("seed: 7\n" + SPEC)
    probe.evidence(train=False)
    (seeds,) = seen
    assert seeds[0] == 7  # the spec's own
    assert len(set(seeds)) == SEEDS_AT_START


def clear(share: float, *, fails: bool) -> Verdict:
    return Verdict(fails, share)


@pytest.mark.parametrize(
    ("own", "agrees", "seeds"),
    [
        (clear(0.95, fails=False), True, [0, 1001]),  # one long run, one short
        (clear(0.05, fails=True), True, [0, 1001]),
        (clear(0.95, fails=False), False, [0, 1001, 1002, 1003]),  # the short one speaks against
        (clear(0.5, fails=True), True, [0, 1002, 1003]),  # near the line: three long runs
    ],
)
def test_a_second_run_decides_only_where_the_first_is_not_clear(
    monkeypatch: pytest.MonkeyPatch, own: Verdict, agrees: bool, seeds: list[int]
) -> None:
    trials = Trials(monkeypatch)
    monkeypatch.setattr(probing, "verdict", lambda *_: own)
    monkeypatch.setattr(Probe, "_agrees", lambda *_: agrees)
    _, _, _, probe = made()
    evidence = probe.evidence()
    assert [seed for seed, _ in trials.runs] == seeds
    lengths = [steps for _, steps in trials.runs]
    assert lengths[0] == max(lengths) == 50
    if seeds[1:2] == [1001]:
        assert lengths[1] == 50 // 3
    assert len(evidence.runs) == len(evidence.losses) == len(evidence.non_finite)
    assert len(evidence.ends) == (1 if seeds == [0, 1001] else 3)


def test_a_run_that_is_not_finite_is_known_with_its_layer() -> None:
    huge = SPEC.replace("{dense: 8}", "{dense: {units: 8, init: {normal: {std: 1.0e+30}}}}, relu, "
                        "{dense: {units: 8, init: {normal: {std: 1.0e+30}}}}")  # fmt: skip
    huge = huge.replace("tanh", "relu")  # tanh makes a finite number even of an infinite one
    _, _, _, probe = made(huge)
    evidence = probe.evidence()
    assert evidence.start is not None
    assert evidence.start.first_non_finite == ("activation", "dense_2")
    first = evidence.non_finite[0]
    assert first is not None
    assert (first.step, first.quantity, first.layer) == (1, "activation", "dense_2")
    assert evidence.fails


def test_a_wrong_gradient_is_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials(monkeypatch)
    _, _, said, probe = made()
    wrong = [("dense_1", "its gradient by the weight is no derivative")]
    monkeypatch.setattr(probe, "_wrong_gradients", lambda network: wrong)
    assert probe.evidence().wrong_gradients == wrong
    assert trials.runs == []
    assert not any(message.startswith("training") for message in said)


def test_codes_have_a_prediction_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 20)
    text = """\
data: {path: a.txt, sequence_length: 8, split: {validation: 0.2}}
network: [{embedding: 6}, {rnn: 8}, {dense: {units: 28}}]
loss: cross_entropy
training: {epochs: 1, batch_size: 16}
"""
    _, _, _, probe = made(text, tmp_path)
    evidence = probe.evidence(train=False)
    assert evidence.prediction is not None
    assert evidence.inputs is not None
    assert evidence.inputs.codes
    known = evidence.prediction.log_gradients
    assert math.isfinite(known["dense_1"])


def test_inputs_that_are_not_finite_have_no_prediction() -> None:
    _, dataset, _, probe = made()
    dataset.train.inputs[3, 0] = np.inf
    assert probe._prediction(probe.network(0)) is None


def test_the_same_spec_has_the_same_diagnosis() -> None:
    first, second = (diagnose_spec(parse_spec(SPEC)).as_json() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("scale", [1e-170, 1e-100, 1e90, 1e150])
def test_inputs_of_any_size_have_a_relative_spread(scale: float) -> None:
    """Their squares' squares would leave the range of floats."""
    inputs = np.random.default_rng(0).standard_normal((100, 3)) * np.arange(1, 101)[:, None]
    plain, scaled = signal_of(inputs), signal_of(inputs * scale)
    assert plain.spread > 0.1
    expected = plain.spread if scale > 1e-150 else 0.0  # there all squares are 0
    assert scaled.spread == pytest.approx(expected)


def large_inputs(activation: str, scale: str) -> Diagnosis:
    """Of 2 inputs of 10^90 or so, in float64."""
    data = f"data: {{generate: {{blobs: {{samples: 200, classes: 4}}}}, scale: {scale}}}\n"
    network = f"network: [{{dense: 16}}, {activation}, {{dense: 16}}, {activation}, {{dense: 4}}]\n"
    rest = "loss: cross_entropy\noptimizer: {sgd: {learning_rate: 0.01}}\n"
    return diagnose_spec(
        parse_spec(data + network + rest + "dtype: float64\ntraining: {epochs: 3}\n")
    )


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("scale", ["1.0e+90", "1.0e+150", "1.0e-90", "1.0e+20"])
def test_inputs_far_from_1_are_named(activation: str, scale: str) -> None:
    """Nothing that is computed of them leaves the range of floats."""
    found = large_inputs(activation, scale)
    slope = found.flow.predicted_gradient_slope
    assert slope is None or abs(slope) < 100
    if activation == "tanh" and "+" in scale:
        (finding,) = found.findings
        assert (finding.name, finding.cause) == ("unscaled-inputs", "inputs-unscaled")
        assert "vanishing-gradient" in finding.evidence["symptoms"]


@pytest.mark.parametrize(
    ("fails", "harm", "explained", "tried", "severity"),
    [
        (None, False, False, True, "info"),
        (None, False, True, True, "warning"),
        (None, False, False, False, "warning"),
        (None, True, False, True, "error"),
        (True, False, False, True, "error"),
        (False, True, False, True, "warning"),
        (False, False, True, True, None),
    ],
)
def test_severity_goes_by_consequences(
    fails: bool | None, harm: bool, explained: bool, tried: bool, severity: str | None
) -> None:
    """Where it cannot be told yet where training leads, what has no cause is a remark."""
    evidence = Evidence((), Thresholds(), start=Measurement(), verdict=Verdict(fails))
    evidence.runs = [[{"step": 1, "layers": []}]] if tried else []
    assert evidence.severity(harm=harm, explained=explained) == severity


@pytest.mark.parametrize(("ratio", "largest"), [(1e-9, 1e7), (1e-7, 1e6), (1e-4, 1e4), (0.0, 1e4)])
def test_how_much_higher_learning_rates_are_tried(ratio: float, largest: float) -> None:
    """As far as steps are no leap: 0.1 of the weights' size."""
    tried: list[float] = []

    def experiment(name: str) -> float:
        tried.append(float(name.removeprefix("learning_rate*")))
        return 0.0

    moment = {"step": 1, "layers": [{"name": "dense_1", "update_ratio": ratio}]}
    evidence = Evidence(
        (LayerFacts("dense_1", "dense"),), Thresholds(), runs=[[moment]],
        verdict=Verdict(fails=True), learning_rate=1e-7, experiment=experiment,
    )  # fmt: skip
    assert list(LearningRateTooLow().check(evidence)) == []
    assert max(tried) == largest


# sequences, of which an example is cut out when it is taken


def test_a_sample_of_a_short_series_holds_its_windows(tmp_path: Path) -> None:
    values = np.arange(60.0)
    (tmp_path / "s.csv").write_text("y\n" + "\n".join(map(str, values)) + "\n")
    data = "{path: s.csv, target: y, window: 4, horizon: 2}"
    _, dataset, _, _ = made(f"data: {data}\nnetwork: [{{dense: 1}}]\nloss: mse\n", tmp_path)
    for most, starts in ((100, np.arange(55)), (7, np.arange(0, 55, 9))):
        part = sample(dataset.train, most)
        np.testing.assert_array_equal(part.inputs[..., 0], starts[:, np.newaxis] + np.arange(4))
        np.testing.assert_array_equal(part.targets, starts[:, np.newaxis] + np.arange(4, 6))


def test_a_text_whose_held_back_part_has_characters_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc" * 60 + "xyz" * 15)
    data = "{path: a.txt, sequence_length: 5, split: {validation: 0.2}}"
    network = "[{embedding: 4}, relu, {dense: 6}]"
    text = f"data: {data}\nnetwork: {network}\nloss: cross_entropy\ntraining: {{epochs: 5}}\n"
    spec, dataset, _, _ = made(text, tmp_path)
    assert dataset.train.take(np.arange(len(dataset.train)))[0].max() == 2
    found = expectation(spec, dataset, 60)
    assert found.learned_loss_share > 0.5  # after a comes b, then c
    assert found.learned_score < 0.4  # which says nothing of x, y and z
