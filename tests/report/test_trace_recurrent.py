"""Recurrent layers worked through step by step, against PyTorch's recorded values and against a
network of scalars that is differentiated by complex steps."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.build import prepare
from bpcli.report.trace import Equation, Section, Trace, trace
from bpcli.report.trace.cells import Cell, GruCell, LstmCell
from bpcli.report.trace.text import text
from bpcli.spec import load_spec

from .test_trace import traced

RECORDED = np.load(Path(__file__).parents[1] / "reference" / "sequences.npz")
KINDS = {"rnn_tanh": Cell, "rnn_relu": Cell, "lstm": LstmCell, "gru": GruCell}
SMALL = """\
name: small
data: {generate: {adding: {samples: 10, length: 4}}}
network: [{KIND: {units: 2, return: RETURN}}, flatten, {dense: 1}]
loss: mse
training: {l2: 0.01}
"""
NUDGE = 1e-30


@pytest.mark.parametrize("returned", ["sequence", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_written_out_they_are_pytorch_s(kind: str, returned: str) -> None:
    case = f"{kind} several {returned}"
    recorded = {name[len(case) + 1 :]: RECORDED[name] for name in RECORDED if case in name}
    parameters = {n.split("/")[1]: v for n, v in recorded.items() if n.startswith("parameter/")}
    sums: dict[str, Any] = {name: np.zeros(value.shape) for name, value in parameters.items()}
    for n, x in enumerate(recorded["inputs"]):
        cell = KINDS[kind](x, parameters, kind.removeprefix("rnn_"))
        states = cell.h[1:] if returned == "sequence" else cell.h[-1]
        assert states == pytest.approx(recorded["outputs"][n], rel=1e-12, abs=1e-14)
        arriving = np.zeros((cell.steps, cell.units))
        arriving[slice(None) if returned == "sequence" else -1] = recorded["output_gradient"][n]
        hidden = arriving
        for _ in range(cell.steps):  # it goes back by one step each time
            hidden = cell.back(hidden, arriving)
        for name, gradients in sums.items():
            for place in np.ndindex(gradients.shape):
                gradients[place] += math.fsum(map(math.prod, cell.by_parameter(name, place)))
        by_x = [
            [math.fsum(map(math.prod, cell.by_x(t, k))) for k in range(x.shape[1])]
            for t in range(cell.steps)
        ]
        assert np.array(by_x) == pytest.approx(recorded["input_gradient"][n], rel=1e-11, abs=1e-13)
    for name, gradients in sums.items():
        assert gradients == pytest.approx(recorded[f"gradient/{name}"], rel=1e-11, abs=1e-12)


class Scalars:
    """The network of ``SMALL`` in complex scalars: ``nudges`` are added where a value with such a
    name, like "f[2, 0]" or "c[1, 1]", is made (of a gate before its function)."""

    def __init__(self, kind: str, network: Any, x: Any, target: float, returned: str) -> None:
        self.kind, self.x, self.target, self.returned = kind, x, target, returned
        self.p = {name: np.array(value) for name, value in network.parameters.items()}
        self.nudges: dict[str, complex] = {}
        self.values: dict[str, complex] = {}

    def loss(self, **nudges: complex) -> complex:
        self.nudges = nudges
        h: list[complex] = [0, 0]
        c: list[complex] = [0, 0]
        states: list[complex] = []
        step: Callable[..., tuple[list[complex], list[complex]]] = getattr(self, self.kind)
        for t in range(4):
            h, c = step(t, h, c)
            states = [*states, *h] if self.returned == "sequence" else h
        weight, bias = self.p["dense_1.weight"][:, 0], self.p["dense_1.bias"][0]
        y = sum(s * w for s, w in zip(states, weight, strict=True)) + bias
        return (y - self.target) ** 2

    def by(self, name: str) -> float:
        """∂L/∂(the value of that name)."""
        return self.loss(**{name: NUDGE * 1j}).imag / NUDGE

    def made(self, name: str, value: complex) -> complex:
        self.values[name] = value = value + self.nudges.get(name, 0)
        return value

    def z(self, t: int, h: list[complex], column: int, *, of: str = "xh") -> complex:
        p = {name.partition(".")[2]: value for name, value in self.p.items() if "dense" not in name}
        found: complex = 0
        if "x" in of:
            found += sum(self.x[t][k] * p["weight"][k, column] for k in range(2))
            found += p["bias"][column]
        if "h" in of:
            found += sum(h[k] * p["recurrent_weight"][k, column] for k in range(2))
            found += p["recurrent_bias"][column] if "recurrent_bias" in p else 0
        return found

    def rnn(self, t: int, h: list[complex], c: list[complex]) -> tuple[list[complex], Any]:
        gates = [cmath.tanh(self.made(f"[{t}, {j}]", self.z(t, h, j))) for j in range(2)]
        return [self.made(f"h[{t}, {j}]", gates[j]) for j in range(2)], c

    def lstm(self, t: int, h: list[complex], c: list[complex]) -> tuple[list[complex], Any]:
        new_h, new_c = [], []
        for j in range(2):
            i, f, g, o = (
                self.gate(letter, t, j, self.z(t, h, 2 * n + j)) for n, letter in enumerate("ifgo")
            )
            new_c.append(self.made(f"c[{t}, {j}]", f * c[j] + i * g))
            new_h.append(self.made(f"h[{t}, {j}]", o * cmath.tanh(new_c[j])))
        return new_h, new_c

    def gru(self, t: int, h: list[complex], c: list[complex]) -> tuple[list[complex], Any]:
        new = []
        for j in range(2):
            r, z = (self.gate(each, t, j, self.z(t, h, 2 * n + j)) for n, each in enumerate("rz"))
            q = self.made(f"q[{t}, {j}]", self.z(t, h, 4 + j, of="h"))
            n = self.gate("n", t, j, self.z(t, h, 4 + j, of="x") + r * q)
            new.append(self.made(f"h[{t}, {j}]", (1 - z) * n + z * h[j]))
        return new, c

    def gate(self, letter: str, t: int, j: int, z: complex) -> complex:
        z = z + self.nudges.get(f"{letter}[{t}, {j}]", 0)
        value = cmath.tanh(z) if letter in "gn" else 1 / (1 + cmath.exp(-z))
        self.values[f"{letter}[{t}, {j}]"] = value
        return value


@pytest.mark.parametrize("returned", ["sequence", "last"])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_every_number_of_a_small_one(tmp_path: Path, kind: str, returned: str) -> None:
    written = SMALL.replace("KIND", kind).replace("RETURN", returned)
    (tmp_path / "small.yaml").write_text(written, encoding="utf-8")
    spec = replace(load_spec(tmp_path / "small.yaml"), dtype="float64")
    dataset, network = prepare(spec)
    inputs, targets = dataset.train.slice(0, 1)
    scalars = Scalars(kind, network, inputs[0], float(targets[0, 0]), returned)
    found = trace(spec, network, inputs, targets)
    assert abs(scalars.loss()) + network_penalty(scalars) == pytest.approx(found.loss, rel=1e-12)

    seen = 0
    for each in equations(found, f"{kind}_1"):
        check(each)
        if each.left in scalars.values:
            assert each.value == pytest.approx(scalars.values[each.left].real, rel=1e-12)
        elif each.left.startswith("δ"):  # of a gate: ∂L/∂(what its function takes)
            assert each.value == pytest.approx(scalars.by(each.left[1:]), rel=1e-10, abs=1e-15)
        elif each.left.startswith(("∂L/∂h", "∂L/∂c")):
            assert each.value == pytest.approx(scalars.by(each.left[4:]), rel=1e-10, abs=1e-15)
        else:
            continue
        seen += 1
    # of 4 steps and 2 units: h and ∂h, δ; [i f g o] c and ∂c; [r z n] q
    assert seen == 8 * {"rnn": 3, "lstm": 12, "gru": 9}[kind]


def network_penalty(scalars: Scalars) -> float:
    return 0.005 * sum(float((p**2).sum()) for n, p in scalars.p.items() if n.endswith("weight"))


def equations(found: Trace, layer: str) -> Iterator[Equation]:
    sections: list[Section] = [*found.forward, *found.backward]
    for section in sections:
        if section.layer == layer:
            yield from section.equations


def check(each: Equation) -> None:
    """Both sides are equal."""
    if not each.products:
        return
    total = math.fsum(each.terms)
    functions = {"": float, "tanh": math.tanh, "sigmoid": lambda z: 1 / (1 + math.exp(-z))}
    assert functions[each.function](total) == pytest.approx(each.value, rel=1e-9, abs=1e-15)


def test_a_small_one_shows_every_parameter_and_its_sums_before_their_functions(
    tmp_path: Path,
) -> None:
    written = SMALL.replace("KIND", "lstm").replace("RETURN", "last")
    (tmp_path / "small.yaml").write_text(written, encoding="utf-8")
    spec = replace(load_spec(tmp_path / "small.yaml"), dtype="float64")
    dataset, network = prepare(spec)
    found = trace(spec, network, *dataset.train.slice(0, 1))
    assert not any(each.left_out for each in found.backward if each.layer == "lstm_1")
    shown = text(found, digits=4)
    assert ") = sigmoid(" in shown
    assert "t = 3, the last" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "units", "shown"),
    [
        ("adding_problem_lstm.yaml", {}, {(0, 13), (98, 13), (99, 13)}),
        ("adding_problem_lstm.yaml", {"lstm_1": [(5,)]}, {(0, 5), (98, 5), (99, 5)}),
        ("mnist1d_gru.yaml", {"gru_1": [(7, 3), (8, 3)]}, {(7, 3), (8, 3)}),
    ],
)
def test_of_a_large_one_the_strongest_unit_or_those_asked_for_at_a_few_steps(
    name: str, units: Any, shown: set[tuple[int, int]]
) -> None:
    found = traced(name, units=units)
    layer = name.split("_")[-1].split(".")[0] + "_1"
    for sections, letter in ((found.forward, "h["), (found.backward, "∂L/∂h[")):
        places = {
            tuple(map(int, each.left[len(letter) : -1].split(", ")))
            for section in sections
            for each in section.equations
            if section.layer == layer and each.left.startswith(letter)
        }
        assert places == shown
    for each in equations(found, layer):
        check(each)
