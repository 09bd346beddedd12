"""`bpcli trace` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .program import bpcli, inside, write_spec

MAZUR = Path(__file__).parents[2] / "configs" / "mazur.yaml"


def test_the_published_example() -> None:
    run = bpcli("trace", MAZUR, "--digits", "12", "--steps", "10000")
    assert run.returncode == 0
    for number in ("0.29837110876", "0.138498561629", "0.291027773694"):
        assert number in run.stdout
    assert "step 10,000" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_json_and_markdown() -> None:
    document = json.loads(bpcli("trace", MAZUR, "--format", "json").stdout)
    assert document["loss"] == pytest.approx(0.298371108760, abs=1e-12)
    assert bpcli("trace", MAZUR, "--format", "markdown").stdout.startswith("# mazur")


def test_a_page() -> None:
    run = bpcli("trace", MAZUR, "--format", "html")
    assert run.returncode == 0
    assert run.stdout.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--example", "9"], "the training part has examples 0 to 3"),
        (["--unit", "dense_1"], "--unit must be LAYER.N"),
        (["--unit", "dense_7.0"], "no layer is called 'dense_7'"),
        (["--layer", "dense_7"], "no layer is called 'dense_7'; the layers are dense_1"),
        (["--layer", "dense_1", "--all-layers"], "--all-layers and --layer exclude each other"),
        (["--unit", "dense_1.99"], "dense_1 has the units 0 to 3"),
    ],
)
def test_what_there_is_not(tmp_path: Path, options: list[str], message: str) -> None:
    run = bpcli("trace", write_spec(tmp_path), *options)
    assert run.returncode == 2
    assert message in run.stderr


DEEP = """\
data: {generate: xor}
network: [{repeat: {times: 12, layers: [{dense: 3}, tanh]}}, {dense: 1}]
loss: mse
"""


def test_what_is_shown_of_a_deep_network(tmp_path: Path) -> None:
    deep = write_spec(tmp_path, DEEP, "deep.yaml")
    short, whole, one = (
        inside("trace", deep, "--example", "1", *options).stdout
        for options in ([], ["--all-layers"], ["--layer", "tanh_5", "--layer", "dense_3"])
    )
    assert "layers   9 of 25, the first, the last" in short
    assert "layers   " not in whole
    assert whole.count("tanh_5 ") == 2
    assert "layers   2 of 25; --layer NAME" in one
    assert len(one.splitlines()) < len(short.splitlines()) < len(whole.splitlines())


@pytest.mark.parametrize(("options", "left_out"), [([], 0), (["--layer", "dense_3"], 24)])
def test_json_leaves_out_what_it_is_told_to(
    tmp_path: Path, options: list[str], left_out: int
) -> None:
    deep = write_spec(tmp_path, DEEP, "deep.yaml")
    run = inside("trace", deep, "--format", "json", *options)
    document = json.loads(run.stdout)
    assert document["layers"] == 25
    assert len(document["left_out"]) == left_out


def test_plain_characters_for_all_of_them(tmp_path: Path) -> None:
    """Where the encoding has no mathematics, something stands for every sign."""
    write_spec(tmp_path, DEEP + "optimizer: {adam: 0.1}\n", "deep.yaml")
    shown = bpcli("trace", "deep.yaml", "--steps", "2", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert "m^ / (Vv^ + e)" in shown.stdout
    assert "?" not in shown.stdout
