"""`bpcli trace` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .program import bpcli, write_spec

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
        (["--unit", "dense_1.99"], "dense_1 has the units 0 to 3"),
    ],
)
def test_what_there_is_not(tmp_path: Path, options: list[str], message: str) -> None:
    run = bpcli("trace", write_spec(tmp_path), *options)
    assert run.returncode == 2
    assert message in run.stderr
