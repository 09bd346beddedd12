"""Run directories: names, numbers, what is read back, and one process at a time."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bpcli.errors import CheckpointError, DataError, WriteError
from bpcli.training import RunDirectory, check_resumable
from bpcli.training.environment import blas, changes, describe_environment
from bpcli.training.run_directory import safe_name

from .support import make_run, make_spec, make_trainer


def test_numbers_count_up(tmp_path: Path) -> None:
    assert RunDirectory.create(tmp_path, "digits").path == tmp_path / "digits" / "1"
    (tmp_path / "digits" / "7").mkdir()
    (tmp_path / "digits" / "notes").mkdir()
    assert RunDirectory.create(tmp_path, "digits").path == tmp_path / "digits" / "8"


def test_no_number_is_given_twice(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: RunDirectory.create(tmp_path, "digits"), range(40)))
    assert sorted(int(run.path.name) for run in runs) == list(range(1, 41))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("digits", "digits"),
        ("a b/c", "a_b_c"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "run"),
        ("", "run"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("größe", "größe"),
        ("x" * 300, "x" * 100),
        ("é" * 300, "é" * 50),
        ("a\0b\n", "a_b_"),
    ],
)
def test_names_are_one_safe_part_of_a_path(name: str, safe: str, tmp_path: Path) -> None:
    assert safe_name(name) == safe
    assert RunDirectory.create(tmp_path, name).path == tmp_path / safe / "1"


def test_a_name_opens_its_newest_run(tmp_path: Path) -> None:
    for _ in range(2):
        run = make_run(tmp_path)
    assert RunDirectory.open(tmp_path / "test").path == run.path
    assert RunDirectory.open(run.path).path == run.path


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_what_is_no_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="expected a run directory"):
        RunDirectory.open(tmp_path / name)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(WriteError, match=r"could not write .*runs"):
        RunDirectory.create(tmp_path / "runs", "digits")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    first = make_run(tmp_path)
    second = RunDirectory.open(first.path)
    first.lock()
    first.lock()  # it has it already
    with pytest.raises(CheckpointError, match="another process is training in this run"):
        second.lock()
    first.release()
    second.lock()
    second.release()


def test_a_run_whose_folder_is_gone_cannot_be_locked(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    shutil.rmtree(run.path)
    with pytest.raises(WriteError, match=r"could not write .*1: No such file or directory"):
        run.lock()


@pytest.mark.parametrize("lack", ["locks", "fcntl"])
def test_where_there_are_no_locks_runs_are_trained_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    """A file system may have none, and Windows no fcntl."""
    if lack == "fcntl":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:

        def refuse(descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr("fcntl.flock", refuse)
    run, other = make_run(tmp_path), RunDirectory.open(tmp_path / "test")
    for each in (run, other):
        each.lock()
    for each in (run, other):
        each.release()
        each.release()  # a second time is no mistake


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CheckpointError, match=r"Permission denied$"):
        RunDirectory.open(tmp_path)


def test_locking_sweeps_what_a_killed_writer_left(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    left = run.checkpoints / "last.npz.42.tmp"
    left.write_bytes(b"half a checkpo")
    run.lock()
    run.release()
    assert not left.exists()


def test_a_run_without_summary_is_not_finished(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert run.read_summary() is None
    assert not run.finished
    for reason, finished in (("interrupted", False), ("non_finite", False), ("finished", True)):
        run.write_summary({"reason": reason, "epochs": 1, "steps": 2, "best": None})
        assert run.finished is finished


def test_damaged_json_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.environment.write_text("[1, 2")
    with pytest.raises(CheckpointError, match=r"environment\.json: could not be read"):
        run.read_environment()
    run.environment.write_text("[1, 2]")
    with pytest.raises(CheckpointError, match="must be an object"):
        run.read_environment()


def test_what_could_not_be_read_again_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bpcli.training.run_directory.LARGEST_DOCUMENT", 1 << 20)
    run = RunDirectory.create(tmp_path, "test")
    with pytest.raises(DataError, match=r"takes 2 MB here, of which at most 1 MB are read again"):
        run.begin("", {}, {"inputs": "x" * (2 << 20)})
    assert not run.spec.exists()


def test_a_missing_environment_is_an_incomplete_run(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.environment.unlink()
    with pytest.raises(CheckpointError, match=r"there is no such file; the run is not complete"):
        run.read_environment()


def test_a_damaged_last_checkpoint_falls_back_and_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for steps in (1, 2):
        run.save_last({"steps": steps, "best": None})
    assert run.load_last()[0]["steps"] == 2
    run.last.write_bytes(run.last.read_bytes()[:-9])
    tree, notes = run.load_last()
    assert tree["steps"] == 1
    assert len(notes) == 1
    assert str(run.last) in notes[0]
    assert "the checkpoint before it is used" in notes[0]

    run.retire_damaged()
    run.save_last({"steps": 3, "best": None})
    assert run.load_last()[0]["steps"] == 3
    run.last.unlink()  # somebody, or a crash between two renames
    tree, notes = run.load_last()
    assert tree == {"format": 1, "steps": 1, "best": None}
    used = "there is no such checkpoint; the checkpoint before it is used"
    assert notes == [f"{run.last}: {used}"]

    run.previous.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"previous\.npz: the checkpoint is damaged"):
        run.load_last()
    run.previous.unlink()
    with pytest.raises(CheckpointError, match=r"last\.npz: there is no such checkpoint$"):
        run.load_last()


@pytest.mark.parametrize("name", ["metrics.jsonl", "gradients.jsonl", "checkpoints"])
def test_what_a_link_points_to_is_not_changed(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path)
    make_trainer(make_spec(), run=run).train()
    outside, content = tmp_path / "outside", tmp_path / "outside" / "last.npz.42.tmp"
    if name == "checkpoints":
        run.checkpoints.rename(outside)
        content.write_text("mine")
    else:
        content = outside
        outside.write_text('{"epoch": 1, "step": 1}\nmine')
        (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(outside)
    before = content.read_text()
    with pytest.raises(CheckpointError, match=rf"{name}: is a symbolic link"):
        make_trainer(make_spec(), run=run).resume()
    assert content.read_text() == before


@pytest.mark.parametrize("log", ["metrics", "gradients"])
@pytest.mark.parametrize("folder", [True, False])
def test_a_history_without_checkpoints_is_not_begun_anew(
    tmp_path: Path, log: str, folder: bool
) -> None:
    run = make_run(tmp_path)
    path = getattr(run, log).path
    path.write_text('{"epoch": 1, "step": 1}\n')
    if not folder:
        run.checkpoints.rmdir()
    with pytest.raises(CheckpointError, match="the checkpoints of this run are gone"):
        make_trainer(make_spec(), run=run).resume()
    assert path.read_text() == '{"epoch": 1, "step": 1}\n'


def test_nothing_is_put_aside_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.retire_damaged()
    assert list(run.checkpoints.iterdir()) == []


def test_best_weights_are_also_in_the_last_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.save_last({"epochs": 5, "best": {"epoch": 3}})
    run.save_best({"epoch": 3})
    assert run.load_weights()[0]["epoch"] == 3
    run.best.write_bytes(b"damaged")
    tree, notes = run.load_weights()
    assert tree["epoch"] == 3
    assert "best.npz" in notes[0]


def test_the_environment_says_what_bits_depend_on() -> None:
    environment = describe_environment("name: x\n", "abc", {"seed": 1, "data_seed": 2})
    assert set(environment["blas"]) == {"core_type", "threads"}
    assert environment["seeds"] == {"seed": 1, "data_seed": 2}
    assert environment["data_sha256"] == "abc"
    assert len(environment["spec_sha256"]) == 64
    assert changes(environment, environment) == []


def test_the_blas_of_numpys_wheels_can_be_asked() -> None:
    import numpy as np

    config = np.show_config(mode="dicts")
    assert isinstance(config, dict)
    if "openblas" not in config["Build Dependencies"]["blas"]["name"]:
        pytest.skip("this NumPy has another BLAS")
    assert blas()["threads"] >= 1
    assert blas()["core_type"]


@pytest.mark.parametrize("loads", [True, False])
def test_a_blas_that_cannot_be_asked_is_unknown(
    monkeypatch: pytest.MonkeyPatch, loads: bool
) -> None:
    def library(path: str) -> object:
        if not loads:
            raise OSError(f"{path}: cannot open shared object file")
        return object()  # without OpenBLAS's functions

    monkeypatch.setattr("ctypes.CDLL", library)
    assert blas() == {"core_type": None, "threads": None}


def test_without_proc_the_processor_is_what_python_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **options: object) -> str:
        raise FileNotFoundError(path)

    known = blas()
    monkeypatch.setattr(Path, "read_text", refuse)
    environment = describe_environment("", "", {})
    assert environment["cpu"] in (platform.processor(), platform.machine())
    assert environment["blas"] == known  # of NumPy's wheels


def test_resuming_elsewhere_warns_of_what_changed(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    before = describe_environment("a", "data", {"seed": 0})
    run.begin("epochs: 20\nseed: 0\n", before, {})
    now = before | {"numpy": "0.1", "data_sha256": "other", "python": "9.9"}
    now["blas"] = before["blas"] | {"threads": 99}
    warnings = check_resumable(run, None, now)
    assert len(warnings) == 3
    assert any("the NumPy version changed from" in warning for warning in warnings)
    assert any("to 99" in warning for warning in warnings)
    assert any(warning.startswith("the data changed") for warning in warnings)


def test_resuming_with_another_spec_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    environment = describe_environment("a", "data", {"seed": 0})
    run.begin("epochs: 20\nseed: 0\n", environment, {})
    assert check_resumable(run, "epochs: 20\nseed: 0\n", environment) == []
    with pytest.raises(CheckpointError, match="`epochs: 20` there, `epochs: 30` here"):
        check_resumable(run, "epochs: 30\nseed: 0\n", environment)
    with pytest.raises(CheckpointError, match="`seed: 0` there, nothing here"):
        check_resumable(run, "epochs: 20\n", environment)


def test_the_best_weights_are_in_the_last_checkpoint_too(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    make_trainer(make_spec(), run=run).train()
    best, notes = run.load_weights()
    assert notes == run.verify() == []
    run.best.write_bytes(b"damaged")
    again, notes = run.load_weights()
    assert (again["epoch"], again["steps"]) == (best["epoch"], best["steps"])
    assert [note.rpartition("; ")[2] for note in notes] == [
        "the best weights are taken from last.npz"
    ]
    run.last.write_bytes(b"damaged")
    assert len(run.verify()) == 2
    run.retire_damaged()
    assert run.last.with_suffix(".damaged").read_bytes() == b"damaged"
    run.previous.unlink()
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        run.load_last()


def test_a_spec_that_is_no_text_and_a_run_that_never_began(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.spec.write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=r"spec\.yaml: could not be read"):
        run.read_spec()
    run.discard()
    assert not run.path.parent.exists()
