"""`bpcli new` and `bpcli schema`: a first spec, and what editors check specs with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bpcli.cli.commands.new import templates

from .program import inside

NAMES = list(templates())
FAILS = {"exploding": 3}  # is meant to


@pytest.mark.parametrize("name", NAMES)
def test_every_template_trains(folder: Path, name: str) -> None:
    assert inside("new", name).returncode == 0
    ended = inside("train", f"{name}.yaml", "--set", "training.epochs=1", "-q")
    assert ended.returncode == FAILS.get(name, 0), ended.stderr


def test_the_list_of_templates_names_them_all_in_80_columns(folder: Path) -> None:
    ended = inside("new")
    assert [line.split()[0] for line in ended.stdout.split("\n\n")[0].splitlines()] == NAMES
    assert "…" not in ended.stdout


def test_no_file_is_overwritten(folder: Path) -> None:
    before = (folder / "small.yaml").read_text()
    ended = inside("new", "xor", "small.yaml")
    assert ended.returncode == 2
    assert "small.yaml exists" in ended.stderr
    assert (folder / "small.yaml").read_text() == before


def test_where_a_template_goes(folder: Path) -> None:
    assert "train other.yaml" in inside("new", "xor", "other.yaml").stdout
    written = (folder / "other.yaml").read_text(encoding="utf-8")
    assert inside("new", "xor", "-").stdout == written
    assert inside("new", "xor", "no/such/folder.yaml").returncode == 5
    assert "did you mean 'spirals'" in inside("new", "spiral").stderr


def test_schema_is_json_that_names_every_layer() -> None:
    ended = inside("schema")
    assert ended.returncode == 0
    schema = json.loads(ended.stdout)
    assert "dense" in json.dumps(schema["$defs"]["layer"])
