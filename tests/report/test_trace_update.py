"""The worked updates: the formulas lead where PyTorch's optimizers lead, and the moments go on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpcli.build import prepare
from bpcli.report.trace import Trace, trace
from bpcli.report.trace.rules import rule
from bpcli.report.trace.text import text
from bpcli.spec import load_spec
from bpcli.spec.optimization import OPTIMIZERS

ROOT = Path(__file__).parents[1]
RECORDED = json.loads((ROOT / "reference" / "optimizers.json").read_text(encoding="utf-8"))
CASES = RECORDED["optimizers"]
SMALL = """\
name: small
data: {generate: xor}
network:
  - {dense: {units: 2, freeze: FREEZE}}
  - tanh
  - {dense: {units: 1, freeze: FREEZE}}
loss: mse
optimizer: OPTIMIZER
training: {TRAINING}
"""


def options(case: str) -> Any:
    kind = OPTIMIZERS[CASES[case]["name"]]
    return kind(learning_rate=RECORDED["learning_rate"], **CASES[case]["options"])


@pytest.mark.parametrize("case", CASES)
def test_a_formula_leads_where_pytorch_does(case: str) -> None:
    for index, theta in enumerate(RECORDED["start"]):
        formulas = rule(options(case))
        for gradients, after in zip(RECORDED["gradients"], CASES[case]["path"], strict=True):
            *_, last = formulas.step("[0]", theta, gradients[index], RECORDED["learning_rate"])
            assert last.value == pytest.approx(after[index], rel=1e-12, abs=1e-15)
            theta = after[index]


@pytest.mark.parametrize("case", CASES)
def test_the_optimizer_s_own_steps_are_shown_as_equations(tmp_path: Path, case: str) -> None:
    """With --steps the moments go on: each one starts from what the step before left."""
    found = small(tmp_path, options(case), steps=4)
    equations = [each for section in found.update for each in section.equations]
    assert all(each.products for each in equations if each.left.startswith(("θ", "[")))
    if case == "sgd":
        assert not found.moments
        return
    assert [section.formula.split(",")[0] for section in found.moments] == [
        "step 2", "step 3", "step 4",
    ]  # fmt: skip
    letters = {each.left[0] for each in found.moments[0].equations} - {"θ"}
    kept = {letter for letter in letters if letter in "umvs"}
    assert kept
    for before, after in zip(found.moments, found.moments[1:], strict=False):
        for letter in kept:
            old = next(e.value for e in before.equations if e.left.startswith(f"{letter}["))
            new = next(e for e in after.equations if e.left.startswith(f"{letter}["))
            assert new.products[0][-1] == old


def test_adam_by_hand(tmp_path: Path) -> None:
    """The first step of Adam is η in the direction against the gradient, but for ε."""
    found = small(tmp_path, OPTIMIZERS["adam"](0.05), steps=2)
    (section,) = (each for each in found.update if each.layer == "dense_2.bias")
    lines = {each.left: each for each in section.equations}
    gradient = next(
        each.value
        for part in found.backward
        for each in part.equations
        if part.layer == "dense_2" and each.left == "∂L/∂b[0]"
    )
    assert lines["m[0]"].value == pytest.approx(0.1 * gradient, rel=1e-14)
    assert lines["v[0]"].value == pytest.approx(0.001 * gradient**2, rel=1e-12)
    assert lines["m̂[0]"].value == pytest.approx(gradient, rel=1e-14)
    assert lines["v̂[0]"].value == pytest.approx(gradient**2, rel=1e-12)
    assert lines["θ[0]"].value == pytest.approx(-math.copysign(0.05, gradient), rel=1e-6)
    second = {each.left: each for each in found.moments[0].equations}
    g = second["m[0]"].products[1][1]
    m, v = 0.09 * gradient + 0.1 * g, 0.000999 * gradient**2 + 0.001 * g**2
    step = 0.05 * (m / 0.19) / (math.sqrt(v / 0.001999) + 1e-8)
    assert second["θ[0]"].value == pytest.approx(lines["θ[0]"].value - step, rel=1e-12)
    shown = text(found, digits=4)
    assert "/ 0.19 = " in shown
    assert " + 1e-08) = " in shown


@pytest.mark.parametrize("training", ["clip_norm: 0.01", "clip_value: 0.001"])
def test_a_clipped_gradient_is_shown_as_it_came_and_as_it_went_in(
    tmp_path: Path, training: str
) -> None:
    found = small(tmp_path, OPTIMIZERS["sgd"](0.1, momentum=0.9), training=training)
    (section,) = (each for each in found.update if each.layer == "dense_2.bias")
    g, u, _ = section.equations
    assert g.products[0][1] < 1
    assert u.products[1] == (g.value,)
    assert any(each.layer == training.split(":")[0] for each in found.update)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_where_all_is_frozen_nothing_is_updated(tmp_path: Path, name: str) -> None:
    found = small(tmp_path, OPTIMIZERS[name](0.1), steps=3, freeze="[weight, bias]")
    assert not found.moments
    assert all(each.layer == name for each in found.update)
    assert {after.loss for after in found.after} == {found.loss}


def small(
    folder: Path, optimizer: Any, *, steps: int = 1, training: str = "", freeze: str = "[]"
) -> Trace:
    """XOR's second example in a network of nine parameters."""
    written = SMALL.replace("OPTIMIZER", "sgd").replace("TRAINING", training)
    written = written.replace("FREEZE", freeze)
    (folder / "small.yaml").write_text(written, encoding="utf-8")
    spec = replace(load_spec(folder / "small.yaml"), dtype="float64", optimizer=optimizer)
    dataset, network = prepare(spec)
    inputs, targets = dataset.train.slice(1, 2)
    return trace(spec, network, inputs, targets, steps=steps)
