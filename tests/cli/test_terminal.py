"""On a terminal: the live view, colours, and a cursor that comes back."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from .program import SPEC, bpcli, command, environment, write_spec

pty = pytest.importorskip("pty")
HIDE, SHOW, UP = "\x1b[?25l", "\x1b[?25h", "\x1b[1A"
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def on_terminal(*arguments: str, folder: Path, **variables: str) -> tuple[int, str]:
    """The exit code, and everything that a terminal of 80×24 was sent."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command(*arguments), cwd=folder, stdin=follower, stdout=follower, stderr=follower,
        env=environment(COLUMNS="80", LINES="24", TERM="xterm-256color") | variables,
    )  # fmt: skip
    os.close(follower)
    sent = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        sent += piece
    os.close(leader)
    return process.wait(timeout=60), sent.decode()


def test_the_live_view_shows_every_layer_and_gives_the_cursor_back(folder: Path) -> None:
    code, sent = on_terminal("train", "small.yaml", folder=folder)
    assert code == 0
    assert sent.index(HIDE) < sent.index("‖gradient‖") < sent.rindex(SHOW)
    assert UP in sent
    assert "dense_2" in sent
    assert COLOUR.search(sent)
    lines = COLOUR.sub("", sent).replace("\r", "\n").split("\n")
    assert max(len(re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", line)) for line in lines) <= 80


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {}])
def test_without_colours(folder: Path, variables: dict[str, str]) -> None:
    option = [] if variables else ["--no-color"]
    code, sent = on_terminal("train", "small.yaml", *option, folder=folder, **variables)
    assert code == 0
    assert UP in sent
    assert not COLOUR.search(sent)


def test_a_dumb_terminal_gets_plain_lines(folder: Path) -> None:
    code, sent = on_terminal("train", "small.yaml", folder=folder, TERM="dumb")
    assert code == 0
    assert "\x1b" not in sent
    assert "train loss" in sent


def test_the_cursor_comes_back_when_training_fails(folder: Path) -> None:
    wild = SPEC.replace("adam: {learning_rate: 0.05", "sgd: {learning_rate: 1.0e+30")
    write_spec(folder, wild.replace("cross_entropy", "mse"), "small.yaml")
    code, sent = on_terminal("train", "small.yaml", folder=folder)
    assert code == 3
    assert sent.rindex(HIDE) < sent.rindex(SHOW)


def test_a_text_with_control_characters_commands_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("a\x1bb\tc\n" * 50)
    (tmp_path / "text.yaml").write_text(
        "data: {path: data.txt, sequence_length: 4}\n"
        "network: [{embedding: 2}, {dense: 6}]\n"
        "loss: cross_entropy\noptimizer: sgd\ntraining: {epochs: 1}\n"
    )
    assert on_terminal("train", "text.yaml", "--quiet", folder=tmp_path)[0] == 0
    code, sent = on_terminal("predict", "runs/text/1", "--length", "40", folder=tmp_path)
    assert code == 0
    assert "\\x1b" in sent
    assert "\x1b" not in sent


def test_predictions_give_a_terminal_no_orders(folder: Path) -> None:
    """Names of classes come from the data, whoever wrote them."""
    rows = "0,\x1b[31mred\n1,blue\n" * 10
    (folder / "a.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
    spec = SPEC.replace("{generate: {blobs: {samples: 60, classes: 3}}", "{path: a.csv")
    write_spec(folder, spec.replace("dense: 3", "dense: 2"), "small.yaml")
    assert bpcli("train", "small.yaml", "-q", folder=folder).returncode == 0
    code, sent = on_terminal("predict", "runs/small/1", "a.csv", folder=folder)
    assert code == 0
    assert "\x1b[31mred" not in sent
    assert r"\x1b[31mred" in sent
