"""Of a deep network what matters is worked through, and the rest is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bpcli.build import prepare
from bpcli.errors import BpcliError
from bpcli.report.html.trace import trace_page
from bpcli.report.trace import Section
from bpcli.report.trace.text import markdown, text
from bpcli.spec import load_spec

from .test_trace import CONFIGS, traced


def names(sections: list[Section]) -> list[str]:
    """Of the layers in their order, each once; of runs that are left out how many they are."""
    found = [f"+{each.skipped}" if each.skipped else each.layer for each in sections]
    return list(dict.fromkeys(found))


def gradients(name: str) -> dict[str, tuple[float, float]]:
    """‖∂L/∂x‖ and ‖∂L/∂y‖ of every layer, by an observer of its own."""

    class Norms:
        def __init__(self) -> None:
            self.found: dict[str, tuple[float, float]] = {}

        def forward(self, *_: object) -> None: ...

        def backward(self, node, arrives, leaves) -> None:  # type: ignore[no-untyped-def]
            self.found[node.layer.path] = (
                float(np.sqrt(np.sum(leaves**2))), float(np.sqrt(np.sum(arrives**2))),
            )  # fmt: skip

    spec = replace(load_spec(CONFIGS / name), dtype="float64")
    dataset, network = prepare(spec)
    network.keep_input_gradient(True)
    network.observe(norms := Norms())
    network.loss_and_gradients(*dataset.train.slice(0, 1), training=False)
    return norms.found


@pytest.mark.parametrize("name", ["mazur", "xor", "iris", "digits", "mnist1d_cnn"])
def test_small_networks_are_shown_whole(name: str) -> None:
    found = traced(f"{name}.yaml")
    assert found.left_out == ()
    assert "--all-layers" not in text(found)
    assert not any(each.skipped for each in [*found.forward, *found.backward, *found.update])


def test_of_a_deep_network_the_ends_are_shown_and_where_the_gradient_changes_most() -> None:
    found, norms = traced("deep_sigmoid.yaml"), gradients("deep_sigmoid.yaml")
    paths = list(norms)[::-1]
    middle = sorted(paths[3:-3], key=lambda path: -abs(np.log(norms[path][0] / norms[path][1])))
    shown = [path for path in paths if path in {*paths[:3], *middle[:3], *paths[-3:]}]
    assert [each for each in names(found.forward) if each[0] != "+"] == [*shown, "cross_entropy"]
    skipped = [each.skipped for each in found.forward]
    assert len(found.left_out) == sum(skipped) == found.layers - 9 == 14
    (change,) = (each for each in found.backward if each.layer == "norms")
    assert [each.left for each in change.equations] == middle[:3]
    for each in change.equations:
        assert each.value == pytest.approx(norms[each.left][0] / norms[each.left][1], rel=1e-12)


def test_a_run_of_layers_says_what_it_makes_of_the_gradient() -> None:
    found, norms = traced("deep_sigmoid.yaml"), gradients("deep_sigmoid.yaml")
    runs = [each for each in found.backward if each.skipped]
    assert len(runs) > 2
    for run in runs:
        first, _, last = run.formula.partition(", ")[2].partition(" to ")
        assert run.equations[0].value == pytest.approx(norms[last][0] / norms[first][1], rel=1e-12)


def test_the_first_block_of_a_residual_network_is_shown_to_its_end() -> None:
    found, norms = traced("deep_residual.yaml"), gradients("deep_residual.yaml")
    assert names(found.forward)[:7] == [
        "dense_1", "residual_1.layer_norm_1", "residual_1.dense_1", "residual_1.relu_1",
        "residual_1.dense_2", "residual_1", "+9",
    ]  # fmt: skip
    (change,) = (each for each in found.backward if each.layer == "norms")
    assert all("." not in each.left for each in change.equations)
    for run in (each for each in found.backward if each.skipped > 4):
        first, _, last = run.formula.partition(", ")[2].partition(" to ")
        block, _, inside = first.partition(".")
        before = f"residual_{int(last.partition('.')[0].split('_')[1]) + ('.' in last)}"
        value = norms[before][0] / norms[block if inside else first][1]
        assert run.equations[0].value == pytest.approx(value, rel=1e-12)


def test_layers_asked_for_are_shown_alone_with_those_inside_them() -> None:
    found = traced("deep_residual.yaml", layers=["residual_7"], units={"dense_2": [(4,)]})
    shown = [each for each in names(found.forward) if each[0] != "+"]
    assert shown[:1] == ["residual_7.layer_norm_1"]
    assert shown[-3:] == ["residual_7", "dense_2", "cross_entropy"]
    assert len(shown) == 7
    weights = [each.layer for each in found.update if not each.skipped]
    assert all(each.startswith(("adam", "residual_7.", "dense_2.")) for each in weights)
    with pytest.raises(BpcliError, match="no layer is called 'residual_77'; did you mean"):
        traced("deep_residual.yaml", layers=["residual_77"])


def test_every_format_says_how_many_there_are_and_how_to_see_them() -> None:
    found = traced("deep_sigmoid.yaml")
    shown = text(found)
    assert "layers   9 of 23, the first, the last" in shown
    assert "...         7 layers, dense_4 to dense_7" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) < 400
    for page in (markdown(found), trace_page(found)):
        assert "--all-layers" in page
        assert "7 layers, dense_4 to dense_7" in page
    assert markdown(found).count("```") % 2 == 0


def test_all_layers() -> None:
    found = traced("deep_sigmoid.yaml", complete=True)
    assert found.left_out == ()
    assert len(names(found.forward)) == found.layers + 1
