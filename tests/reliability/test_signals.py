"""Ctrl-C and SIGTERM: the step ends, all is saved, and the run goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.program import bpcli, environment, write_spec

LONG = """\
name: long
data: {generate: {blobs: {samples: 2000}}, split: {validation: 0.2}}
network: [{dense: 32}, relu, {dropout: 0.2}, {dense: 3}]
loss: cross_entropy
training: {epochs: EPOCHS, batch_size: 8}
"""


def start(spec: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bpcli", "train", str(spec), *more],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_it_trains(folder: Path, lines: int = 1) -> None:
    log = folder / "runs" / "long" / "1" / "metrics.jsonl"
    end = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= lines):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_the_run_is_saved_and_can_go_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    spec = write_spec(tmp_path, LONG.replace("EPOCHS", "400"))
    process = start(spec, tmp_path)
    wait_until_it_trains(tmp_path)
    process.send_signal(number)
    began = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == code
    assert "bpcli train --resume runs/long/1" in said
    run = tmp_path / "runs" / "long" / "1"
    assert json.loads((run / "summary.json").read_text())["reason"] == "interrupted"
    epochs = [
        json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    assert epochs == list(range(1, len(epochs) + 1))


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, LONG.replace("EPOCHS", "5"))
    process = start(spec, tmp_path)
    wait_until_it_trains(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert bpcli("train", "--resume", "runs/long/1", "-q", folder=tmp_path).returncode == 0
    assert bpcli("train", spec, "-q", folder=tmp_path).returncode == 0
    runs = tmp_path / "runs" / "long"
    last = [(runs / n / "checkpoints" / "last.npz").read_bytes() for n in "12"]
    assert last[0] == last[1]
    assert (runs / "1" / "metrics.jsonl").read_bytes() == (
        runs / "2" / "metrics.jsonl"
    ).read_bytes()


def test_a_second_signal_ends_at_once_and_leaves_a_good_checkpoint(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, LONG.replace("EPOCHS", "400"))
    process = start(spec, tmp_path)
    wait_until_it_trains(tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in (130, 143)
    from bpcli.training import RunDirectory

    tree, notes = RunDirectory.open(tmp_path / "runs" / "long").load_last()
    assert notes == []
    assert np.isfinite(tree["network"]["parameters"]).all()
