"""The layers and reports that docs/layers.md and docs/gradcheck.md show are real."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from documents import masked

from bpcli.cli.environment import Environment
from bpcli.cli.run import run

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n\$ bpcli (.*?)\n(.*?)```", re.DOTALL)
SHOWN = CONSOLE.findall((DOCS / "gradcheck.md").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With every file that the two pages show."""
    for page in ("layers.md", "gradcheck.md"):
        for name, content in FILE.findall((DOCS / page).read_text(encoding="utf-8")):
            (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_both_examples_are_shown() -> None:
    assert len(SHOWN) == 2


@pytest.mark.parametrize(("arguments", "shown"), SHOWN, ids=["right", "wrong"])
def test_a_report_is_real(folder: Path, arguments: str, shown: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    run(arguments.split(), Environment(out, err, {}))
    assert masked(out.getvalue().splitlines()) == masked(shown.splitlines())
    assert err.getvalue() == ""
