"""Disks that fill up, fail or vanish: one clear line, exit 5, and the checkpoint before is good."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.program import bpcli, write_spec

from bpcli.errors import WriteError
from bpcli.training import checkpoint, files

TREE = {"steps": 1, "network": {"parameters": np.arange(200.0), "state": np.zeros(3)}}
OTHER = {"steps": 2, "network": {"parameters": np.arange(200.0) + 1, "state": np.ones(3)}}


def same(tree: dict[str, Any], other: dict[str, Any]) -> bool:
    return tree["steps"] == other["steps"] and np.array_equal(
        tree["network"]["parameters"], other["network"]["parameters"]
    )


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether ``work`` said yes in a forked process, whose limits are its own."""
    pid = os.fork()
    if pid == 0:
        sys.dont_write_bytecode = True  # Python would leave it cut short
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# the child only saves and ends; pytest-xdist and BLAS may have threads that it never needs
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("every", [37, pytest.param(1, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_after_any_number_of_bytes(tmp_path: Path, every: int) -> None:
    path, previous = tmp_path / "last.npz", tmp_path / "previous.npz"
    checkpoint.save(path, TREE)
    size = path.stat().st_size

    def save_within(limit: int) -> bool:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            checkpoint.save(path, OTHER, previous=previous)
        except WriteError as error:
            return str(path) in str(error)
        return False

    for limit in range(0, size, every):
        assert in_a_child(lambda limit=limit: save_within(limit)), limit
        assert same(checkpoint.load(path), TREE)
        assert sorted(tmp_path.iterdir()) == [path]
    assert not in_a_child(lambda: save_within(size + 4096))  # and this one succeeds
    assert same(checkpoint.load(path), OTHER)
    assert same(checkpoint.load(previous), TREE)


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_call_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "last.npz"
    checkpoint.save(path, TREE)

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(files.os if call != "open" else Path, call, fail)
        with pytest.raises(WriteError, match=os.strerror(code)):
            checkpoint.save(path, OTHER, previous=tmp_path / "previous.npz")
    good = path if path.exists() else tmp_path / "previous.npz"
    assert same(checkpoint.load(good), TREE)


def test_training_onto_a_full_disk_ends_with_one_line(tmp_path: Path) -> None:
    """As a process: the limit on a file's size stands in for the disk."""
    spec = write_spec(tmp_path)
    limited = tmp_path / "limited.py"
    limited.write_text(
        "import resource, signal, sys\n"
        "sys.dont_write_bytecode = True\n"  # Python would leave it cut short
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))\n"
        "from bpcli.__main__ import main\nsys.exit(main())\n"
    )
    run = subprocess.run(
        [sys.executable, str(limited), "train", str(spec)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 5, run.stderr
    assert "could not write" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_run_whose_folder_vanishes(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    (tmp_path / "runs").write_text("a file is in the way")
    run = bpcli("train", spec, folder=tmp_path)
    assert run.returncode == 5
    assert len(run.stderr.strip().splitlines()) == 1
    assert "runs" in run.stderr
