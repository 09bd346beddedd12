"""`kill -9` at any moment loses nothing; see crashes.py, which runs longer campaigns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent / "crashes.py"


def campaign(kills: int, seed: int) -> None:
    run = subprocess.run(
        [sys.executable, str(HARNESS), "--kills", str(kills), "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "0 runs differ" in run.stdout


def test_a_few_kills() -> None:
    campaign(5, seed=1)


@pytest.mark.slow
def test_a_hundred_kills() -> None:
    campaign(100, seed=2)
