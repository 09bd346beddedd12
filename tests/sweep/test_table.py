"""Figures over two varied paths, and lines through them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.program import bpcli, write_spec

from bpcli.sweep.table import Grid, contour_of, grid_of


def test_a_grid_is_the_mean_over_everything_else() -> None:
    rows = [
        {"job": n, "a": a, "b": b, "seed": seed, "loss": 10.0 * a + b + seed}
        for n, (a, b, seed) in enumerate((a, b, s) for a in (1, 2) for b in (3, 4) for s in (0, 1))
    ]
    grid = grid_of([*rows, {"job": 9, "a": 2, "b": 5}], "a", "b", "loss")
    assert grid.cells == [[13.5, 23.5], [14.5, 24.5], [None, None]]


def test_a_contour_lies_between_the_columns_about_its_value() -> None:
    cells: list[list[float | None]] = [[-1.0, 3.0, 5.0], [2.0, 3.0, 4.0], [None, -3.0, 1.0]]
    grid = Grid("slope", "x", "y", [0, 1, 2], [0, 1, 2], cells)
    assert contour_of(grid, 0.0) == [(0.25, 0.0), (1.75, 2.0)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--contour", "loss=0"), "give --over X,Y"),
        (("--contour", "loss", "--over", "seed,network.0.dense.units"), "NAME=VALUE"),
        (("--over", "seed,depth"), "'depth' is not varied"),
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
