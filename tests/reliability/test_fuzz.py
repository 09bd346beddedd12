"""Whatever is in a file: a result or an error for people; see fuzz.py, which has more to give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent / "fuzz.py"


def campaign(*arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, str(HARNESS), *arguments], capture_output=True, text=True, timeout=1800
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


def test_a_few_inputs_of_each_kind() -> None:
    printed = campaign("--inputs", "40", "--seed", "1")
    assert printed.count("0 broken promises") == 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["specs", "data", "logs", "checkpoints", "runs"])
def test_many_inputs(kind: str) -> None:
    inputs = "2000" if kind == "runs" else "25000"
    assert "0 broken promises" in campaign(kind, "--inputs", inputs, "--seed", "2")
