"""The program as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

XOR = """\
name: xor
data: {generate: xor, validation: {generate: xor}}
network: [{dense: 4}, tanh, {dense: 2}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.1}}
training: {epochs: 3, batch_size: 2}
"""


def bpcli(
    *arguments: str | Path, folder: Path | None = None, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs the program and checks what holds for every run: no traceback, no control codes."""
    run = subprocess.run(
        [sys.executable, "-m", "bpcli", *map(str, arguments)],
        cwd=folder,
        input=stdin,
        env=environment(**variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    for stream in (run.stdout, run.stderr):
        assert "Traceback" not in stream
        assert "a bug in bpcli" not in stream
        assert not any(c < " " and c != "\n" for c in stream)
    return run


def results(*arguments: str | Path, **options: Any) -> Any:
    """The JSON that a run which ends well prints."""
    run = bpcli(*arguments, "--format", "json", **options)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout, parse_constant=_no_constants)


def _no_constants(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BPCLI", "NO_COLOR"))}
    return kept | {"PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"} | variables


def write_spec(folder: Path, text: str = XOR, name: str = "xor.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
