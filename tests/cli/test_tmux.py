"""In a real terminal, tmux, small and large: nothing wraps, and NO_COLOR is obeyed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .program import bpcli, environment, write_spec

TMUX = shutil.which("tmux")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(TMUX is None, reason="needs tmux")]

DEEP = """\
name: deep
data: {generate: {circles: {samples: 200}}, split: {validation: 0.2}}
network: [{repeat: {times: 11, layers: [{dense: 16}, sigmoid]}}, {dense: 2}]
loss: cross_entropy
optimizer: {sgd: {learning_rate: 0.1}}
training: {epochs: 40, batch_size: 20}
"""
COMMANDS = [
    "train deep.yaml",
    "diagnose deep.yaml --no-train",
    "diagnose runs/deep/1",
    "explain",
    "explain BP101",
    "explain chain-rule",
    "trace deep.yaml",
    "report runs/deep/1",
    "compare runs/deep/1 runs/deep/2",
    "gradcheck deep.yaml --quick",
    "show deep.yaml",
    "new",
    "sweep deep.yaml --vary network.0.repeat.times=1,2 --set training.epochs=1 --dry-run",
    "sweep deep.yaml --vary network.0.repeat.times=1..3 "
    "--vary optimizer.sgd.learning_rate=0.1..1/9 "
    "--set training.epochs=1 --jobs 1 --over learning_rate,times",
]
CODE = re.compile(r"\x1b\[[\d;]*m")
SIZES = [(80, 24), (200, 50)]


class Screen:
    """A server of tmux for these tests alone, and one screen of it."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.socket = str(folder / f"tmux{columns}")
        self.columns = columns
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                   "-c", str(folder), "sh")  # fmt: skip
        self._tmux("set-option", "history-limit", "5000")

    def _tmux(self, *arguments: str) -> str:
        assert TMUX is not None
        return subprocess.run(
            [TMUX, "-S", self.socket, *arguments], env=environment(TERM="xterm-256color"),
            capture_output=True, text=True, check=False, timeout=30,
        ).stdout  # fmt: skip

    def run(self, command: str, *, coloured: bool) -> str:
        """What stands on the screen and above it when the command has ended, with its codes."""
        colours = "unset NO_COLOR" if coloured else "export NO_COLOR=1"
        line = f"{colours}; clear; {command}; echo ended_$?_"
        self._tmux("send-keys", line, "Enter")
        deadline = time.monotonic() + 60
        while not re.search(r"ended_\d+_", self._tmux("capture-pane", "-p")):
            assert time.monotonic() < deadline, self._tmux("capture-pane", "-p")
            time.sleep(0.1)
        shown = self._tmux("capture-pane", "-p", "-e", "-J", "-S", "-3000")
        self._tmux("send-keys", "clear", "Enter")
        time.sleep(0.1)
        self._tmux("clear-history")
        return shown

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture(scope="module", params=SIZES, ids=str)
def screen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Screen]:
    folder = tmp_path_factory.mktemp("tmux")
    write_spec(folder, DEEP, "deep.yaml")
    for _ in range(2):
        bpcli("train", "deep.yaml", "-q", folder=folder)
    screen = Screen(folder, *request.param)
    yield screen
    screen.close()


def widest(shown: str) -> int:
    """The length of the longest line below the command that was typed."""
    lines = [CODE.sub("", line).rstrip() for line in shown.splitlines()]
    typed = [n for n, line in enumerate(lines) if "; echo ended_" in line]
    below = lines[typed[-1] + 1 :] if typed else lines
    assert len(below) > 1
    return max(map(len, below))


def test_a_line_that_wraps_is_seen(screen: Screen) -> None:
    assert widest(screen.run("printf '%0250d\\n' 1", coloured=True)) == 250


@pytest.mark.parametrize("coloured", [True, False], ids=["coloured", "NO_COLOR"])
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_wraps(screen: Screen, command: str, coloured: bool) -> None:
    """tmux joins a line that it wrapped when it is asked to: no line may be longer than a row."""
    shown = screen.run(f"{sys.executable} -m bpcli {command}", coloured=coloured)
    assert widest(shown) <= screen.columns
    assert "Traceback" not in shown
    if not coloured:
        assert not CODE.search(shown)
    elif not command.startswith(("report", "sweep")):
        assert CODE.search(shown)
