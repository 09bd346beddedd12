"""The worked chain rule: the published example's numbers, and equations that are equal."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from bpcli.build import prepare
from bpcli.errors import BpcliError
from bpcli.report.html.trace import trace_page
from bpcli.report.trace import Equation, Section, Trace, trace
from bpcli.report.trace.text import markdown, text
from bpcli.spec import load_spec

CONFIGS = Path(__file__).parents[2] / "configs"


def traced(name: str, **options: object) -> Trace:
    spec = dataclasses.replace(load_spec(CONFIGS / name), dtype="float64")
    dataset, network = prepare(spec)
    inputs, targets = dataset.train.slice(0, 1)
    return trace(spec, network, inputs, targets, **options)  # type: ignore[arg-type]


def values(sections: list[Section], layer: str, left: str) -> list[float]:
    return [
        equation.value
        for section in sections
        for equation in section.equations
        if section.layer == layer and equation.left.startswith(left)
    ]


def test_mazurs_example_number_by_number() -> None:
    """Matt Mazur, "A Step by Step Backpropagation Example" (2015), recomputed to 12 digits."""
    found = traced("mazur.yaml", steps=10_000)
    close = lambda numbers: pytest.approx(numbers, abs=1e-12)  # noqa: E731
    assert found.loss == close(0.298371108760)
    assert values(found.forward, "sigmoid_1", "y") == close([0.593269992107, 0.596884378260])
    assert values(found.forward, "sigmoid_2", "y") == close([0.751365069552, 0.772928465321])
    assert values(found.backward, "sigmoid_2", "∂") == close([0.138498561629, -0.038098236517])
    assert values(found.backward, "sigmoid_1", "∂") == close([0.008771354689, 0.009954254705])
    assert values(found.backward, "dense_2", "∂L/∂W") == close(
        [0.082167040564, 0.082667627848, -0.022602540477, -0.022740242216]
    )
    assert values(found.backward, "dense_1", "∂L/∂W") == close(
        [0.000438567734, 0.000877135469, 0.000497712735, 0.000995425471]
    )
    assert values(found.update, "dense_2.weight", "") == close(
        [0.358916479718, 0.511301270239, 0.408666186076, 0.561370121108]
    )
    assert values(found.update, "dense_1.weight", "") == close(
        [0.149780716133, 0.249751143632, 0.199561432266, 0.299502287265]
    )
    assert found.after[0].loss == close(0.291027773694)
    assert found.after[-1].step == 10_000
    assert found.after[-1].loss == pytest.approx(3.51018778e-5, rel=1e-8)
    assert found.after[-1].outputs == pytest.approx((0.015913620, 0.984064274), abs=1e-9)


def test_the_text_shows_the_numbers_to_the_digits_asked_for() -> None:
    shown = text(traced("mazur.yaml"), digits=12)
    for number in ("0.593269992107", "0.751365069552", "0.0821670405642", "0.291027773694"):
        assert number in shown
    assert "0.05 × 0.15 + 0.1 × 0.2 + 0.35 = 0.3775" in shown


@pytest.mark.parametrize(
    "name",
    [
        "mazur", "xor", "digits", "auto_mpg", "deep_residual", "deep_sigmoid", "mnist1d_cnn",
        "mnist1d_gru", "adding_problem_lstm", "moby_dick_transformer",
    ],
)  # fmt: skip
def test_both_sides_of_every_equation_are_equal(name: str) -> None:
    found = traced(f"{name}.yaml", steps=2, complete=True)
    checked = 0
    for section in [*found.forward, *found.backward, *found.update, *found.moments]:
        for equation in section.equations:
            if equation.products and not equation.function:
                assert left_side(equation) == pytest.approx(equation.value, rel=1e-9, abs=1e-15)
                checked += 1
    assert checked > 10


def test_the_commonest_small_network_is_shown_whole() -> None:
    """XOR, 2-8-1: every number, down to p = sigmoid(z), -ln(1 - p) and p - t."""
    found = traced("xor.yaml")
    assert not any(section.left_out for section in [*found.forward, *found.backward])
    shown = text(found)
    assert "p = sigmoid(0) = 0.5" in shown
    assert "L = -ln(1 - 0.5) = 0.69314718" in shown
    assert "∂L/∂z[0] = 0.5 - 0 = 0.5" in shown


def test_every_layer_multiplies_what_arrives_by_its_local_derivative() -> None:
    """Convolutions, attention, normalizations and recurrent layers as well as dense ones."""
    for name in ("mnist1d_cnn", "mnist1d_gru", "moby_dick_transformer"):
        for section in traced(f"{name}.yaml").backward:
            known = [each for each in section.equations if not each.left.startswith("‖")]
            assert all(each.products or "bias" in each.left or "/∂b" in each.left for each in known)


def test_a_unit_has_its_place_on_every_axis() -> None:
    found = traced("mnist1d_cnn.yaml", units={"conv1d_1": [(3, 2)]})
    section = next(section for section in found.forward if section.layer == "conv1d_1")
    assert [equation.left for equation in section.equations] == ["z[3, 2]"]
    with pytest.raises(BpcliError, match="conv1d_1 has the units 0,0 to "):
        traced("mnist1d_cnn.yaml", units={"conv1d_1": [(999, 2)]})


def test_a_recurrent_layer_shows_how_far_the_gradient_reaches_back() -> None:
    sections = traced("adding_problem_rnn.yaml").backward
    (section,) = (each for each in sections if each.equations[0].left.startswith("‖"))
    norms = [equation.value for equation in section.equations]
    assert section.equations[-1].left == "‖∂L/∂h[0]‖"
    assert norms == sorted(norms, reverse=True)  # it vanishes


def left_side(equation: Equation) -> float:
    return math.fsum(equation.terms)


@pytest.mark.parametrize("name", ["digits", "deep_residual"])
def test_lines_fit_a_terminal(name: str) -> None:
    assert max(map(len, text(traced(f"{name}.yaml")).splitlines())) <= 80


def test_units_asked_for_are_shown() -> None:
    found = traced("digits.yaml", units={"dense_2": [(0,), (7,)]})
    section = next(section for section in found.forward if section.layer == "dense_2")
    assert [equation.left for equation in section.equations] == ["z[0]", "z[7]"]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"dense_9": [(0,)]}, "no layer is called 'dense_9'"),
        ({"dense_2": [(32,)]}, "units 0 to 31"),
        ({"dense_2": [(1, 1)]}, "units 0 to 31"),
    ],
)
def test_units_that_there_are_not(units: dict[str, list[tuple[int, ...]]], message: str) -> None:
    with pytest.raises(BpcliError, match=message):
        traced("digits.yaml", units=units)


def test_markdown_holds_the_same_numbers() -> None:
    shown = markdown(traced("mazur.yaml"))
    assert shown.startswith("# mazur")
    assert "z[0] = 0.05 × 0.15 + 0.1 × 0.2 + 0.35 = 0.3775" in shown
    assert shown.count("```") % 2 == 0


def test_the_page_holds_every_number_of_the_text() -> None:
    found = traced("mazur.yaml", steps=1000)
    page = trace_page(found, digits=12)
    for number in ("0.593269992107", "0.0821670405642", "0.291027773694"):
        assert number in page
    assert "z[0] = 0.05 × 0.15 + 0.1 × 0.2 + 0.35 = 0.3775" in page
    layers = len(found.forward) + len(found.backward) + len(found.update)
    assert page.count('<details class="layer" open>') == layers
    assert page.count("<svg") == 1
