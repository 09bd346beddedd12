"""README.md and docs/ show what the commands really print; see documents.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, differences, masked, sessions


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_sessions_are_real(document: Path) -> None:
    assert differences(document) == []


def test_numbers_and_bars_are_masked_and_words_are_not() -> None:
    assert masked(["dense_1  5.6e-08  ▏ stands still", "", "40 epochs in 1.26 s, 97.2%"]) == [
        "dense_1 # ▇ stands still",
        "# epochs in #, #",
    ]


def test_a_session_is_read() -> None:
    text = (
        "a\n```console\n$ one\nx\n$ two\n> more\ny\n```\n<!-- not run -->\n```console\n$ z\n```\n"
    )
    (session,) = sessions(text)
    assert [(step.command, step.shown) for step in session.steps] == [
        ("one", ["x"]),
        ("two\nmore", ["y"]),
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:bpcli|tests|configs|datasets|docs)/[\w/.-]+\.\w+)`", text):
        assert (ROOT / name).exists(), name


def test_there_is_something_to_run() -> None:
    assert any(sessions((ROOT / "README.md").read_text(encoding="utf-8")))
