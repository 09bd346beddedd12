"""Figures over two varied paths, and lines through them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.program import bpcli, write_spec

from bpcli.report.charts import HeatMap
from bpcli.report.document import Lines
from bpcli.report.html.charts import heat_map
from bpcli.report.plots import plot
from bpcli.report.sweep import _heat
from bpcli.spec import parse_spec
from bpcli.sweep.table import Grid, contour_of, grid_of
from bpcli.sweep.theory import correlation_depths


def test_a_grid_is_the_mean_over_everything_else() -> None:
    rows = [
        {"job": n, "a": a, "b": b, "seed": seed, "loss": 10.0 * a + b + seed}
        for n, (a, b, seed) in enumerate((a, b, s) for a in (1, 2) for b in (3, 4) for s in (0, 1))
    ]
    over = (("a", [1, 2]), ("b", [3, 4, 5]))
    grid = grid_of([*rows, {"job": 9, "a": 2, "b": 5}], over, "loss")
    assert grid.cells == [[13.5, 23.5], [14.5, 24.5], [None, None]]


def test_a_contour_lies_between_the_columns_about_its_value() -> None:
    cells: list[list[float | None]] = [[-1.0, 3.0, 5.0], [2.0, 3.0, 4.0], [None, -3.0, 1.0]]
    grid = Grid("slope", "x", "y", [0, 1, 2], [0, 1, 2], cells)
    assert contour_of(grid, 0.0) == [[(0.25, 0.0), (1.75, 2.0)]]


def test_a_contour_has_a_line_on_either_side_of_a_ridge() -> None:
    cells: list[list[float | None]] = [[0.0, 4.0, 0.0], [2.0, 2.0, 2.0], [0.0, 2.0, 1.0]]
    grid = Grid("depth", "x", "y", [0, 1, 2], [0, 1, 2], cells)
    falling, rising = contour_of(grid, 1.0)
    assert rising == [(0.25, 0.0), (0.5, 2.0)]
    assert falling == [(1.75, 0.0)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--contour", "loss=0"), "give --over X,Y"),
        (("--contour", "loss", "--over", "seed,network.0.dense.units"), "NAME=VALUE"),
        (("--over", "seed,depth"), "'depth' is not varied"),
        (("--over", "seed,seed"), "two different paths"),
        (("--figure", "validation.los"), "did you mean 'validation.loss'"),
        (("--do", "diagnose", "--figure", "validation.loss"), "--do diagnose gives no figure"),
        (("--over", "seed,units", "--contour", "nothing=1"), "gives no figure 'nothing'"),
        (("--over", "seed,units", "--contour", "epochs=nan"), "NAME=VALUE"),
        (("--figure", "test.loss"), "the data have no test part"),
    ],
)
def test_pictures_that_cannot_be_drawn_start_nothing(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "seed=0,1", "--vary",
                "network.0.dense.units=2,3", *options, folder=tmp_path)  # fmt: skip
    assert (run.returncode, run.stdout) == (2, "")
    assert reason in run.stderr
    assert not (tmp_path / "sweeps").exists()


def test_a_page_shows_the_map_and_its_contour(tmp_path: Path) -> None:
    pair = "optimizer.adam.learning_rate,network.0.dense.units"
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "optimizer.adam.learning_rate=0.01,0.1,1",
                "--vary", "network.0.dense.units=2,4,8", "--over", pair,
                "--figure", "epochs", "--contour", "optimizer.adam.learning_rate=0.05",
                "--html", "-", "--jobs", "1", folder=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("<!doctype html>")
    assert run.stdout.count("<polyline") == 2
    assert "optimizer.adam.learning_rate = 0.05" in run.stdout


def test_a_line_that_is_nowhere_is_told(tmp_path: Path) -> None:
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "seed=0,1", "--vary",
                "network.0.dense.units=2,3", "--over", "seed,units", "--contour", "epochs=1e6",
                "--html", "page.html", "--jobs", "1", folder=tmp_path)  # fmt: skip
    assert run.returncode == 0
    assert "epochs does not cross 1e+06: no line is drawn" in run.stderr
    assert "the mean over" not in (tmp_path / "page.html").read_text()  # a job a cell


def test_a_path_may_be_named_by_its_end_and_missing_cells_stay_empty(tmp_path: Path) -> None:
    """At a learning rate of 1e30 training leaves the range of numbers: there is no loss."""
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "optimizer=sgd", "--vary",
                "optimizer.sgd.learning_rate=0.1,1e30", "--vary", "network.0.dense.units=2,3",
                "--over", "learning_rate,units", "--figure", "validation.loss", "--set", "loss=mse",
                "--jobs", "1", "--html", str(tmp_path / "page.html"), folder=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines() if line.startswith(("2 ", "3 "))]
    assert [row[-1] for row in rows[-2:]] == ["–", "–"]
    assert (tmp_path / "page.html").read_text().count('class="hx"') == 2


def test_a_grid_of_thousands_fits_a_terminal() -> None:
    values = list(range(3000))
    cells: list[list[float | None]] = [[float(x + y) for x in values] for y in values[::10]]
    grid = Grid("loss", "a.x", "b.y", values, values[::10], cells)
    (block,) = _heat(grid)
    assert isinstance(block, Lines)
    assert len(block.lines) <= 45
    assert max(len(str(line)) for line in block.lines) <= 80


@pytest.mark.parametrize("cells", [[[None, None]], [[1.0, 1.0]], [[None, -2.0]]])
def test_pictures_of_little(cells: list[list[float | None]]) -> None:
    grid = Grid("slope", "x", "y", [1, 2], ["one"], cells)
    assert _heat(grid)
    chart = HeatMap("t", "x", "y", ["1", "2"], ["one"], cells, logarithmic=False)
    assert heat_map(chart).count("<rect") >= 1
    pytest.importorskip("matplotlib")
    assert plot([chart], "title", ".png")[:4] == b"\x89PNG"


def test_a_correlation_depth_is_theory_s() -> None:
    """ξ_c of tanh at σ_b² = 0.05, σ_w² = 1.5 and 4: 15.8 and 6.98 (Schoenholz et al. 2017)."""
    for weights, depth in ((1.5, 15.8), (4.0, 6.98)):
        spec = parse_spec(
            "data: {generate: {gaussian: {samples: 8, features: 20}}}\nloss: cross_entropy\n"
            "network: [{repeat: {times: 30, layers: [{dense: {units: 20, init: "
            f"{{variance_scaling: {{scale: {weights}}}}}, bias: {{normal: {{std: 0.2236068}}}}}}}},"
            " tanh]}}, {dense: 2}]\n"
        )
        assert correlation_depths(spec) == pytest.approx(30 / depth, rel=0.01)
