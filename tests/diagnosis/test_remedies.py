"""Remedies: what each prescribes, and that it does to the network what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.prediction import Signal, predict
from bpcli.diagnosis.remedies import EVERYTHING, prescribe, remedies_for
from bpcli.diagnosis.remedies.activations import RELU, TANH
from bpcli.diagnosis.remedies.biases import ZERO_BIAS
from bpcli.diagnosis.remedies.courses import BY_CAUSE, COURSES
from bpcli.diagnosis.remedies.initialization import CRITICAL_INIT
from bpcli.diagnosis.remedies.learning_rates import USUAL_RATE, at, times
from bpcli.diagnosis.remedies.normalization import LAYER_NORM, NO_BATCH_NORM
from bpcli.diagnosis.remedies.recurrence import GRU, IRNN, ORTHOGONAL_RECURRENCE
from bpcli.diagnosis.remedies.residuals import RESIDUAL
from bpcli.diagnosis.remedies.settings import (
    ADAM,
    CLIP,
    INPUTS_AS_THEY_ARE,
    LOGITS,
    STANDARD_INPUTS,
    STANDARD_TARGETS,
)
from bpcli.diagnosis.remedies.treatment import Treatment
from bpcli.diagnosis.remedies.width import WIDER
from bpcli.diagnosis.rules import RULES
from bpcli.network import Chain
from bpcli.spec import parse_spec
from bpcli.spec.changes import Change
from bpcli.spec.model import Spec

SMALL = {"normal": {"std": 0.01}}


def spec_of(*network: Any, **others: Any) -> Spec:
    content = {"data": {"path": "a.csv"}, "network": list(network), "loss": "mse"} | others
    return parse_spec(json.dumps(content))


def dense(units: int, init: Any = "glorot_uniform", **options: Any) -> dict[str, Any]:
    return {"dense": {"units": units, "init": init, **options}}


def changes(spec: Spec, *course: Treatment, inputs: tuple[int, ...] = (8,)) -> list[str]:
    prescribed = prescribe(spec, course, inputs)
    return [] if prescribed is None else [str(change) for change in prescribed[0].changes]


@pytest.mark.parametrize(
    ("activation", "init"),
    [("relu", "he_normal"), ("tanh", "orthogonal"), ("selu", "lecun_normal"),
     ({"leaky_relu": {"slope": 0.5}}, "{variance_scaling: {scale: 1.6}}")],
    ids=str,
)  # fmt: skip
def test_hidden_weights_start_at_the_criticality_of_their_activation(
    activation: Any, init: str
) -> None:
    spec = spec_of(dense(8, SMALL), activation, dense(8, SMALL), activation, dense(1))
    assert changes(spec, CRITICAL_INIT) == [
        f"network.0.dense.init: {init}", f"network.2.dense.init: {init}"
    ]  # fmt: skip


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "gelu", "silu", "selu"])
def test_gradients_keep_their_size_at_criticality(activation: str) -> None:
    """By the theory that goes through the very layers: within a fifth of a nat a layer."""
    repeated = {"repeat": {"times": 12, "layers": [dense(256, SMALL), activation]}}
    spec = spec_of(dense(256), activation, repeated, dense(1))
    before, after = spec, prescribe(spec, (CRITICAL_INIT,), (256,))
    assert after is not None

    def slope(spec: Spec) -> float:
        nodes = Chain(spec.network, (256,)).nodes
        logs = predict(nodes, Signal(1.0, 0.0)).log_gradients
        far, near = logs["dense_3"], logs["dense_12"]
        assert far is not None
        assert near is not None
        return (far - near) / 9

    assert slope(before) < -1
    assert abs(slope(after[1])) < 0.2


def test_what_starts_well_is_left_alone() -> None:
    spec = spec_of(dense(8, "he_uniform"), "relu", dense(8, "he_normal"), "relu", dense(1))
    assert changes(spec, CRITICAL_INIT) == []
    zero = spec_of(dense(8, "he_normal"), "relu", dense(1, "zeros"))
    assert changes(zero, CRITICAL_INIT) == []  # an output layer may start at 0


def test_alike_units_get_different_weights() -> None:
    spec = spec_of(dense(8, "zeros"), "relu", dense(8, {"constant": 0.3}), "relu", dense(1, "ones"))
    assert [change.split(":")[0] for change in changes(spec, CRITICAL_INIT)] == [
        "network.0.dense.init", "network.2.dense.init", "network.4.dense.init"
    ]  # fmt: skip


def test_no_variance_makes_sigmoid_critical() -> None:
    """χ₁ = 1 needs σ_w² = 103, where all units sit in their bounds."""
    spec = spec_of(dense(8), "sigmoid", dense(8), "sigmoid", dense(1))
    assert changes(spec, CRITICAL_INIT) == []


def test_copies_of_a_repeat_are_changed_where_they_are_written() -> None:
    repeated = {"repeat": {"times": 5, "layers": [dense(8, SMALL), "sigmoid"]}}
    spec = spec_of(repeated, dense(1))
    assert changes(spec, TANH, CRITICAL_INIT) == [
        "network.0.repeat.layers.1: tanh", "network.0.repeat.layers.0.dense.init: orthogonal"
    ]  # fmt: skip


def test_what_follows_the_output_layer_is_no_hidden_activation() -> None:
    spec = spec_of(dense(8), "sigmoid", dense(1), "sigmoid")
    assert changes(spec, RELU) == ["network.1: relu"]


@pytest.mark.parametrize(
    ("loss", "last", "gone"),
    [("cross_entropy", "softmax", True), ("binary_cross_entropy", "sigmoid", True),
     ("cross_entropy", "relu", False), ("mse", "sigmoid", True), ("mse", "elu", False)],
)  # fmt: skip
def test_an_activation_goes_from_the_end_where_the_loss_wants_none(
    loss: str, last: str, gone: bool
) -> None:
    spec = spec_of(dense(8), "relu", dense(1), last, loss=loss)
    assert changes(spec, LOGITS) == (["remove network.3"] if gone else [])


def test_residual_paths_lead_around_blocks_that_keep_their_shape() -> None:
    """From the end, so that the places before stay; a norm keeps the sum from growing."""
    spec = spec_of(dense(16), "relu", dense(16), "relu", dense(16), "relu", dense(1))
    assert changes(spec, RESIDUAL) == [
        "wrap network.4:6 in residual", "insert layer_norm at network.4.residual.layers.0",
        "wrap network.2:4 in residual", "insert layer_norm at network.2.residual.layers.0",
    ]  # fmt: skip


def test_a_whole_repeated_block_becomes_a_residual() -> None:
    repeated = {"repeat": {"times": 9, "layers": ["batch_norm", dense(16), "relu"]}}
    assert changes(spec_of(dense(16), repeated, dense(1)), RESIDUAL) == [
        "wrap network.1.repeat.layers in residual"
    ]


def test_a_layer_that_widens_once_is_left_out_of_a_repeated_block() -> None:
    """The first copy of the repeat has 8 inputs and 16 outputs: it cannot be skipped."""
    repeated = {"repeat": {"times": 9, "layers": [dense(16), "relu"]}}
    assert changes(spec_of(repeated, dense(1)), RESIDUAL) == []


def test_layer_norms_stand_before_the_activations() -> None:
    spec = spec_of(dense(16), "relu", "batch_norm", dense(16), "relu", dense(1))
    assert changes(spec, LAYER_NORM) == ["insert layer_norm at network.1"]
    assert changes(spec, NO_BATCH_NORM) == ["remove network.2"]


def test_recurrent_layers() -> None:
    cell = {"rnn": {"units": 4, "return": "last", "name": "memory", "recurrent_init": SMALL}}
    spec, inputs = spec_of(cell, dense(1)), (30, 1)
    assert changes(spec, ORTHOGONAL_RECURRENCE, inputs=inputs) == [
        "network.0.rnn.recurrent_init: orthogonal"
    ]
    assert changes(spec, IRNN, inputs=inputs)[0] == "network.0.rnn.activation: relu"
    assert changes(spec, GRU, inputs=inputs) == [
        "network.0: {gru: {units: 4, return: last, name: memory}}"
    ]


@pytest.mark.parametrize(
    ("treatment", "others", "expected"),
    [
        (STANDARD_INPUTS, {}, ["data.scale: standard"]),
        (STANDARD_INPUTS, {"data": {"path": "a.csv", "scale": "standard"}}, []),
        (INPUTS_AS_THEY_ARE, {"data": {"path": "a.csv", "scale": 1000}}, ["data.scale: none"]),
        (INPUTS_AS_THEY_ARE, {"data": {"path": "a.csv", "scale": "minmax"}}, []),
        (STANDARD_TARGETS, {}, ["data.target_scale: standard"]),
        (STANDARD_TARGETS, {"loss": "cross_entropy"}, []),
        (CLIP, {}, ["training.clip_norm: 1.0"]),
        (CLIP, {"training": {"clip_norm": 0.5}}, []),
        (ADAM, {}, []),
        (ADAM, {"optimizer": "sgd"}, ["optimizer: {adam: {learning_rate: 0.001}}"]),
        (times(0.1), {"optimizer": {"sgd": {"learning_rate": 5.0}}},
         ["optimizer.sgd.learning_rate: 0.5"]),
        (USUAL_RATE, {"optimizer": {"sgd": {"learning_rate": 5.0}}},
         ["optimizer.sgd.learning_rate: 0.05"]),
        (at(0.02), {}, ["optimizer.adam.learning_rate: 0.02"]),
        (USUAL_RATE, {}, []),
        (WIDER, {}, ["network.0.dense.units: 32"]),
        (ZERO_BIAS, {}, ["remove network.0.dense.bias"]),
    ],
    ids=lambda value: value.name if isinstance(value, Treatment) else None,
)  # fmt: skip
def test_settings(treatment: Treatment, others: dict[str, Any], expected: list[str]) -> None:
    spec = spec_of(dense(4, bias={"constant": -2.0}), "relu", dense(1), **others)
    assert changes(spec, treatment) == expected


def test_every_finding_of_the_rules_has_remedies() -> None:
    """A wrong gradient has none: it is for its author to mend. Where nothing says why a loss stands
    still, nothing says what to change."""
    without = {"wrong-gradient", "loss-stands-still"}
    assert set(COURSES) == {rule.name for rule in RULES} - without


def test_every_course_makes_a_network_of_whatever_it_is_given() -> None:
    cell = {"rnn": {"units": 8, "recurrent_init": SMALL}}
    block = {"repeat": {"times": 3, "layers": [dense(4, SMALL), "sigmoid"]}}
    spec = spec_of(cell, "flatten", dense(4), "exponential", block, dense(4), "batch_norm", "relu",
                   dense(2, bias="ones"), "softmax", optimizer="sgd")  # fmt: skip
    applied = 0
    for course in EVERYTHING:
        prescribed = prescribe(spec, course, (30, 1))
        if prescribed is not None:
            applied += 1
            remedy, changed = prescribed
            assert Chain(changed.network, (30, 1)).output_shape == (2,)
            assert changed != spec
            assert remedy.description
    assert applied > 20


def test_a_finding_shows_its_first_remedies_without_repeating_itself() -> None:
    spec = spec_of(dense(4, SMALL), "sigmoid", dense(4, SMALL), "sigmoid", dense(1))
    finding = Finding("BP101", "vanishing-gradient", "error", (), 0, "saturating-activation", "")
    remedies = remedies_for(finding, spec, (4,))
    assert [remedy.description for remedy in remedies][:2] == [
        "sigmoid -> tanh; start the weights at criticality for tanh: init orthogonal",
        "sigmoid -> relu; start the weights at criticality for relu: init he_normal",
    ]
    assert len({str(remedy.changes) for remedy in remedies}) == len(remedies) == 4
    assert remedies[0].changes[0] == Change("set", "network.1", "tanh")


def test_the_causes_that_reorder_remedies_are_causes() -> None:
    """Words that some rule gives; found in the text of the rules and causes."""
    from pathlib import Path

    import bpcli.diagnosis

    folder = Path(bpcli.diagnosis.__file__).parent
    texts = [path.read_text() for path in (folder / "rules").glob("*.py")]
    text = "".join([*texts, (folder / "causes.py").read_text()])
    assert all(f'"{cause}"' in text for cause in BY_CAUSE)
