"""Pipes, devices and endless files among those of a run are refused before they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpcli.errors import CheckpointError, WriteError
from bpcli.training import RunDirectory, checkpoint, reading
from bpcli.training.json_lines import JsonLines
from bpcli.training.records import STEP, fitting

from .support import make_run, make_spec, make_trainer


@pytest.fixture(params=["pipe", "device"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "odd"
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


def test_what_is_no_file_is_refused(odd: Path) -> None:
    with pytest.raises(OSError, match="is not an ordinary file"):
        reading.read_text(odd)
    with pytest.raises(CheckpointError, match="could not be read: is not an ordinary file"):
        checkpoint.load(odd)
    with pytest.raises(WriteError, match="is not an ordinary file"):
        JsonLines(odd, "step").cut(3)
    assert list(fitting(odd, STEP)) == []


@pytest.mark.parametrize("name", ["summary.json", "preparation.json", "environment.json"])
def test_a_run_says_which_of_its_files_is_none(odd: Path, name: str) -> None:
    run = make_run(odd.parent)
    make_trainer(make_spec(), run=run).train()
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(odd)
    again = RunDirectory.open(run.path)
    with pytest.raises(CheckpointError, match=rf"{name}: could not be read: is not an ordinary"):
        getattr(again, f"read_{name.removesuffix('.json')}")()


def test_files_beyond_the_limit_are_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    monkeypatch.setattr(reading, "LARGEST_DOCUMENT", 1 << 20)
    path = tmp_path / "a"
    path.write_bytes(b"x" * (1 << 20))
    assert len(reading.read_text(path)) == 1 << 20
    path.write_bytes(b"1\n" + b"x" * (1 << 20) + b"\n2\n")
    assert list(reading.lines(path)) == [b"1\n"]
    with pytest.raises(OSError, match="holds more than 1 MB"):
        reading.read_text(path)


def test_a_checkpoint_that_is_larger_than_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match=r"holds 1\.0 TiB, more than this machine's memory"):
        checkpoint.load(path)
