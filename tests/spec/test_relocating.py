"""A spec in another folder names the same files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpcli.spec import load_spec, parse_spec
from bpcli.spec.edit import edit
from bpcli.spec.relocating import relocation, with_copies

REST = "network: [{dense: 1}]\nloss: mse\n"
SOURCES = [
    "data: {path: ../data/a.csv, validation: {path: b.csv}, test: {path: ../data/c.csv}}\n",
    "data: {inputs: x.npy, targets: ../data/y.npy}\n",
    "data: {images: ../data/i.gz, labels: l.gz}\n",
    "data: {path: a.npz, inputs: x, targets: y}\n",
    "data: {generate: xor}\n",
    "data: {path: /absolute/a.csv}\n",
]


def files(spec_file: Path) -> list[Path]:
    """What the spec's relative and absolute paths lead to."""
    spec = load_spec(spec_file)
    parts = [part for part in (spec.data, spec.data.validation, spec.data.test) if part is not None]
    names = [
        getattr(part, option)
        for part in parts
        for option in ("path", "images", "labels", "inputs", "targets")
        if part.path is None or option in ("path", "images", "labels")
    ]
    return [(spec_file.parent / name).resolve() for name in names if name is not None]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("folder", ["specs", "specs/deeper", ".", "elsewhere/far"])
def test_every_file_is_found_from_the_new_folder(tmp_path: Path, source: str, folder: str) -> None:
    before, after = tmp_path / "specs" / "a.yaml", tmp_path / folder / "b.yaml"
    for path in (before, after):
        path.parent.mkdir(parents=True, exist_ok=True)
    before.write_text(source + REST)
    changes = relocation(load_spec(before), after.parent)
    after.write_text(edit(before.read_text(), changes))
    assert files(after) == files(before)
    if folder == "specs":
        assert changes == []


def test_no_relative_path_leads_to_another_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which there are on Windows alone: os.path.relpath refuses."""

    def refuse(path: str, start: Path) -> str:
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(os.path, "relpath", refuse)
    (tmp_path / "a.yaml").write_text(SOURCES[1] + REST)
    changes = relocation(load_spec(tmp_path / "a.yaml"), tmp_path / "other")
    assert [change.value for change in changes] == [
        str(tmp_path / "x.npy"), str(tmp_path.parent / "data" / "y.npy"),
    ]  # fmt: skip


def test_a_spec_can_read_copies_of_its_files(tmp_path: Path) -> None:
    text = "data: {path: /a.csv, validation: {path: /b.csv}, test: {path: /c.csv}}\n" + REST
    spec = with_copies(parse_spec(text), {"/a.csv": "/copies/1", "/c.csv": "/copies/2"})
    parts = (spec.data, spec.data.validation, spec.data.test)
    assert [part and part.path for part in parts] == ["/copies/1", "/b.csv", "/copies/2"]


def test_names_of_arrays_are_no_paths(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SOURCES[3] + REST)
    changes = relocation(load_spec(tmp_path / "a.yaml"), tmp_path / "other")
    assert [change.path for change in changes] == ["data.path"]


def test_a_link_to_a_folder_is_followed_as_the_system_does(tmp_path: Path) -> None:
    """`specs/../data` is where the link leads, not beside the link."""
    (tmp_path / "real" / "specs").mkdir(parents=True)
    (tmp_path / "specs").symlink_to(tmp_path / "real" / "specs")
    (tmp_path / "specs" / "a.yaml").write_text(SOURCES[0] + REST)
    changes = relocation(load_spec(tmp_path / "specs" / "a.yaml"), tmp_path)
    assert changes[0].value == "real/data/a.csv"
