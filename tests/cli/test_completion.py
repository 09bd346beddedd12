"""Tab in real shells, with what docs/commands.md tells to put into their files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .program import environment

pty = pytest.importorskip("pty")
pytestmark = pytest.mark.slow


@pytest.fixture
def variables(folder: Path) -> dict[str, str]:
    """An environment with `bpcli` on the path, in a folder with small.yaml."""
    tools = folder / "tools"
    tools.mkdir()
    program = tools / "bpcli"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bpcli "$@"\n')
    program.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return environment(PATH=path, HOME=str(folder), TERM="dumb", XDG_CONFIG_HOME=str(folder),
                       XDG_DATA_HOME=str(folder))  # fmt: skip


class Shell:
    """An interactive shell in a terminal of its own."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=variables,
            start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        os.set_blocking(self.leader, False)
        self.shown = ""

    def type(self, text: str, until: str) -> str:
        """What appears after the text until the word does."""
        self.shown = ""
        os.write(self.leader, text.encode())
        deadline = time.monotonic() + 30
        while until not in self.shown:
            assert time.monotonic() < deadline, self.shown
            time.sleep(0.02)
            try:
                self.shown += os.read(self.leader, 65536).decode(errors="replace")
            except BlockingIOError:
                continue
        return self.shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.leader)


BASH = 'eval "$(_BPCLI_COMPLETE=bash_source bpcli)"'
ZSH = 'autoload -U compinit; compinit -u; eval "$(_BPCLI_COMPLETE=zsh_source bpcli)"'
SHELLS = [
    ("bash", ["bash", "--norc", "--noprofile", "-i"], BASH),
    ("zsh", ["zsh", "-f", "-i"], ZSH),
]
WORDS = [
    ("bpcli diag", "nose"),
    ("bpcli explain vanishing-g", "radient"),
    ("bpcli train sm", "all.yaml"),
]


@pytest.mark.parametrize(("name", "command", "setup"), SHELLS, ids=["bash", "zsh"])
def test_tab_completes(
    name: str, command: list[str], setup: str, variables: dict[str, str]
) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    shell = Shell(command, variables)
    try:
        shell.type(f"{setup}; echo re''ady\n", "ready")
        for typed, completed in WORDS:
            time.sleep(0.2)
            shell.type(f"{typed}\t", completed)
            shell.type("\x15", "")  # the line is cleared
    finally:
        shell.close()


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(("typed", "completed"), WORDS)
def test_fish_completes(typed: str, completed: str, variables: dict[str, str]) -> None:
    script = f"_BPCLI_COMPLETE=fish_source bpcli | source; complete -C '{typed}'"
    ended = subprocess.run(
        ["fish", "--no-config", "-c", script], env=variables, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    words = [line.partition("\t")[0] for line in ended.stdout.splitlines()]
    assert typed.split()[-1] + completed in words, ended
