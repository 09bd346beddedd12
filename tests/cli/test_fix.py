"""`bpcli diagnose --fix`: the cured file, the difference, the exit code, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bpcli.spec import load_spec
from bpcli.spec.initializers import HeNormal, Zeros

from .program import inside, write_spec

ILL = """\
# units that stay alike
data:
  path: data/points.csv   # two columns and a class
  target: class
  split: {validation: 0.25}
network:
  - dense: {units: 8, init: zeros}   # here
  - relu
  - dense: 3
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.02}}
training: {epochs: 6, batch_size: 16}
"""
HEALTHY = ILL.replace("init: zeros", "init: he_normal")
ARGUMENTS = ("diagnose", "ill.yaml", "--budget", "12runs", "--quiet")


@pytest.fixture
def ill(folder: Path) -> Path:
    """The current folder with ill.yaml and its data."""
    import numpy as np

    random = np.random.default_rng(0)
    classes = np.arange(240) % 3
    points = np.array([[0, 2], [2, -2], [-2, 0]])[classes] + 0.5 * random.standard_normal((240, 2))
    lines = [f"{x:.3f},{y:.3f},{c}" for (x, y), c in zip(points, classes, strict=True)]
    (folder / "data").mkdir()
    (folder / "data" / "points.csv").write_text("x,y,class\n" + "\n".join(lines) + "\n")
    write_spec(folder, ILL, "ill.yaml")
    return folder


def test_the_cured_spec_is_the_old_text_with_one_word_changed(ill: Path) -> None:
    ended = inside(*ARGUMENTS, "--fix", "cured.yaml")
    assert ended.returncode == 0, ended
    assert (ill / "cured.yaml").read_text() == ILL.replace("init: zeros", "init: he_normal")
    assert (ill / "ill.yaml").read_text() == ILL
    assert "dead-units" in ended.stdout or "symmetric-units" in ended.stdout
    assert "cure  start the weights at criticality for relu: init he_normal" in ended.stdout
    assert "written to cured.yaml; try it: bpcli train cured.yaml" in ended.stdout


def test_a_file_can_be_cured_in_its_place(ill: Path) -> None:
    assert inside(*ARGUMENTS, "--fix", "ill.yaml").returncode == 0
    assert (ill / "ill.yaml").read_text() == HEALTHY


def test_a_dash_prints_the_difference_alone(ill: Path) -> None:
    ended = inside(*ARGUMENTS, "--fix", "-")
    assert ended.returncode == 0
    assert ended.stdout.startswith("--- ill.yaml\n+++ ill.yaml\n@@")
    changed = [line for line in ended.stdout.splitlines()[2:] if line[0] in "+-"]
    assert changed == [
        "-  - dense: {units: 8, init: zeros}   # here",
        "+  - dense: {units: 8, init: he_normal}   # here",
    ]
    assert "before" in ended.stderr
    assert "after" in ended.stderr


def test_programs_get_one_document(ill: Path) -> None:
    ended = inside(*ARGUMENTS, "--fix", "cured.yaml", "--format", "json")
    found = json.loads(ended.stdout)
    assert not found["healthy"]
    cure = found["cure"]
    assert cure["cured"]
    assert cure["changes"] == [{"op": "set", "path": "network.0.dense.init", "value": "he_normal"}]
    assert cure["metric"] == "accuracy"
    before, after = cure["before"], cure["after"]
    assert len(before["score"]) == len(after["score"]) == 3
    assert max(before["score"]) < 0.6 < 0.9 < min(after["score"])
    assert min(before["train_loss"]) > 1 > max(after["train_loss"])
    assert after["errors"] == []
    assert cure["runs"] <= 15


def test_in_another_folder_the_data_are_found(ill: Path) -> None:
    (ill / "elsewhere").mkdir()
    assert inside(*ARGUMENTS, "--fix", "elsewhere/cured.yaml").returncode == 0
    spec = load_spec(ill / "elsewhere" / "cured.yaml")
    assert spec.data.path == "../data/points.csv"
    assert "path: ../data/points.csv   # two columns" in (ill / "elsewhere/cured.yaml").read_text()


def test_settings_are_part_of_what_is_cured(ill: Path) -> None:
    write_spec(ill, HEALTHY, "ill.yaml")
    changes = ("--set", "network.0.dense.init=zeros", "--set", "training.epochs=7", "--seed", "3")
    assert inside(*ARGUMENTS, *changes, "--fix", "cured.yaml").returncode == 0
    spec = load_spec(ill / "cured.yaml")
    assert (spec.seed, spec.training.epochs) == (3, 7)
    assert spec.network[0].init == HeNormal() != Zeros()  # type: ignore[attr-defined]


def test_where_nothing_is_wrong_nothing_is_written(ill: Path) -> None:
    write_spec(ill, HEALTHY, "ill.yaml")
    ended = inside(*ARGUMENTS, "--fix", "cured.yaml")
    assert ended.returncode == 0, ended
    assert "nothing to cure" in ended.stderr
    assert not (ill / "cured.yaml").exists()


def test_where_nothing_helps_it_says_so(ill: Path) -> None:
    table = (ill / "data" / "points.csv").read_text().splitlines()
    mixed = [table[0]] + [f"1,1,{line.rpartition(',')[2]}" for line in table[1:]]
    (ill / "data" / "points.csv").write_text("\n".join(mixed) + "\n")
    ended = inside(*ARGUMENTS, "--fix", "cured.yaml")
    assert ended.returncode == 1
    assert "no cure" in ended.stdout
    assert "nothing was written" in ended.stdout
    assert not (ill / "cured.yaml").exists()


def test_a_file_that_cannot_be_written(ill: Path) -> None:
    ended = inside(*ARGUMENTS, "--fix", "missing/cured.yaml")
    assert ended.returncode == 5
    assert "missing" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--no-train", "--fix", "a.yaml"), "--fix trains, so --no-train cannot go with it"),
        (("--format", "github", "--fix", "a.yaml"), "--fix goes with --format text or json"),
        (("--budget", "much", "--fix", "a.yaml"), "'much' is no budget; give seconds, runs or "),
        (("--budget", "0s", "--fix", "a.yaml"), "'0s' is no budget"),
    ],
)
def test_what_cannot_be_asked(ill: Path, arguments: tuple[str, ...], reason: str) -> None:
    ended = inside("diagnose", "ill.yaml", *arguments)
    assert ended.returncode == 2
    assert reason in " ".join(ended.stderr.split())


def test_a_run_is_no_subject_for_a_cure(ill: Path) -> None:
    (ill / "runs").mkdir()
    ended = inside("diagnose", "runs", "--fix", "cured.yaml")
    assert ended.returncode == 2
    assert "--fix is for a SPEC" in ended.stderr
