"""`bpcli compare`: runs side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpcli.spec.comparison import differences

from .program import inside, results

CHANGES = (
    (),
    ("--set", "optimizer.adam.learning_rate=0.001", "--set", "network.1=relu"),
    ("--set", "training.epochs=2", "--set", "optimizer={sgd: {learning_rate: 0.1}}"),
)


@pytest.fixture
def runs(folder: Path) -> list[str]:
    for changes in CHANGES:
        assert inside("train", "small.yaml", "-q", "--fail-on", "never", *changes).returncode == 0
    return [f"runs/small/{n}" for n in (1, 2, 3)]


def test_only_what_differs_is_listed(runs: list[str]) -> None:
    found = results("compare", *runs[:2])
    assert found["differences"] == {
        "network.1": ["tanh", "relu"],
        "optimizer.adam.learning_rate": ["0.05", "0.001"],
    }
    assert [run["epochs"] for run in found["runs"]] == [3, 3]
    assert inside("compare", runs[0], runs[0]).stdout.endswith("the specs are the same\n")


def test_the_figures_are_those_of_the_summaries(runs: list[str]) -> None:
    found = results("compare", *runs)
    for run, shown in zip(runs, found["runs"], strict=True):
        trained = results("train", "--resume", run)
        assert {part: shown[part] for part in ("train", "validation", "test")} == {
            part: trained[part] for part in ("train", "validation", "test")
        }
    text = inside("compare", *runs).stdout
    assert "validation accuracy" in text
    assert "sgd" in text


@pytest.mark.parametrize("count", [2, 3, 7])
def test_it_fits_80_columns(runs: list[str], count: int) -> None:
    chosen = (runs * 3)[:count]
    text = inside("compare", *chosen).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "optimizer" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("runs/small/1",), "two runs or more"), (("runs/small/1", "runs/none"), "runs/none")],
)
def test_wrong_usage(runs: list[str], arguments: tuple[str, ...], message: str) -> None:
    ended = inside("compare", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_a_run_that_has_not_ended(runs: list[str]) -> None:
    os.unlink("runs/small/2/summary.json")
    assert "not ended" in inside("compare", *runs[:2]).stdout


def test_lists_of_different_length_and_things_of_different_name() -> None:
    one = "network:\n  - dense: {units: 3}\nloss: mse\noptimizer: {sgd: {momentum: 0.5}}\n"
    two = "network:\n  - dense: {units: 4}\n  - tanh\nloss: mse\noptimizer: {adam: {beta1: 0.5}}\n"
    assert differences([one, two]) == {
        "network.0.dense.units": ["3", "4"],
        "network.1": [None, "tanh"],
        "optimizer": ["{sgd: {momentum: 0.5}}", "{adam: {beta1: 0.5}}"],
    }


def test_narrow_screens_keep_the_ends_of_paths(runs: list[str]) -> None:
    name = "name=" + "a_long_name_" * 6
    stop = ("--set", "training.early_stopping={metric: validation.loss, patience: 2}")
    assert inside("train", "small.yaml", "-q", "--set", name, *stop).returncode == 0
    (long,) = map(str, Path("runs").glob("a_long*/1"))
    text = inside("compare", runs[0], long).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "a_long_name_/1" in text
    for end in ("metric", "patience"):
        assert f"stopping.{end}" in text
