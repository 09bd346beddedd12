"""The program as a user runs it: in a process of its own, or, faster, in this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bpcli.cli.environment import Environment
from bpcli.cli.run import run

XOR = """\
name: xor
data: {generate: xor, validation: {generate: xor}}
network: [{dense: 4}, tanh, {dense: 2}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.1}}
training: {epochs: 3, batch_size: 2}
"""
SPEC = """\
name: small
data: {generate: {blobs: {samples: 60, classes: 3}}, split: {validation: 0.2, test: 0.2}}
network: [{dense: 4}, tanh, {dense: 3}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.05}}
training: {epochs: 3, batch_size: 8}
"""


class Ended(NamedTuple):
    """How a run of the program ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def bpcli(
    *arguments: str | Path, folder: Path | None = None, stdin: str = "", **variables: str
) -> Ended:
    """Runs the program and checks what holds for every run: no traceback, no control codes."""
    process = subprocess.run(
        command(*arguments),
        cwd=folder,
        input=stdin,
        env=environment(**variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    return checked(Ended(process.returncode, process.stdout, process.stderr))


def inside(*arguments: str | Path, **variables: str) -> Ended:
    """The same within this process and its current folder."""
    out, err = io.StringIO(), io.StringIO()
    code = run([*map(str, arguments)], Environment(out, err, variables))
    return checked(Ended(int(code), out.getvalue(), err.getvalue()))


def results(*arguments: str | Path) -> Any:
    """The JSON that a run which ends well prints."""
    ended = inside(*arguments, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    return strict_json(ended.stdout)


def checked(ended: Ended) -> Ended:
    for stream in (ended.stdout, ended.stderr):
        assert "Traceback" not in stream
        assert "a bug in bpcli" not in stream
        assert not any(character < " " and character != "\n" for character in stream)
    return ended


def strict_json(text: str) -> Any:
    """JSON without the NaN and Infinity that Python would let through."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "bpcli", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BPCLI", "NO_COLOR"))}
    return kept | {"PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"} | variables


def write_spec(folder: Path, text: str = XOR, name: str = "xor.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
