from __future__ import annotations

from pathlib import Path

import pytest

from .program import SPEC, inside, write_spec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty but for small.yaml."""
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path, SPEC, "small.yaml")
    return tmp_path


@pytest.fixture
def trained(folder: Path) -> Path:
    """The folder with the finished run runs/small/1."""
    assert inside("train", "small.yaml", "--quiet").returncode == 0
    return folder
