"""A terminal whose encoding has no Greek letters and no blocks gets plain characters for them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bpcli.cli.environment import Environment
from bpcli.cli.plain_characters import NAME

from .program import bpcli, write_spec

DEEP = """\
data: {generate: {blobs: {samples: 100}}}
network: [{repeat: {times: 9, layers: [{dense: 8}, sigmoid]}}, {dense: 3}]
loss: cross_entropy
"""


def test_columns_and_bars_stay(tmp_path: Path) -> None:
    write_spec(tmp_path, DEEP, "deep.yaml")
    shown = [
        bpcli("diagnose", "deep.yaml", "--no-train", folder=tmp_path, PYTHONIOENCODING=each)
        for each in ("utf-8", "ascii")
    ]
    rich, plain = (
        [line for line in one.stdout.splitlines() if line.startswith("dense_")] for one in shown
    )
    assert len(rich) == len(plain) == 10
    assert [len(line) for line in plain] == [len(line) for line in rich]
    assert plain[-1].count("#") == rich[-1].count("█") > 5
    assert "?" not in shown[1].stdout


def test_what_nothing_stands_for_is_a_question_mark() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=NAME)
    stream.write("χ₁ 人")
    stream.flush()
    assert stream.buffer.getvalue() == b"x1 ?"  # type: ignore[attr-defined]


class Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "written"),
    [(Screen, {"LC_ALL": "C"}, "#x"), (Screen, {"LC_ALL": "POSIX"}, "#x"),
     (Screen, {"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, "█χ"), (Screen, {"LANG": "C"}, "█χ"),
     (io.TextIOWrapper, {"LC_ALL": "C"}, "█χ")],
)  # fmt: skip
def test_lc_all_c_asks_a_terminal_for_plain_characters(
    stream: type[io.TextIOWrapper],
    variables: dict[str, str],
    written: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files and pipes stay UTF-8."""
    for name in ("LC_ALL", "PYTHONIOENCODING", "PYTHONUTF8"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = stream(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr("sys.stdout", screen)
    Environment.of_process().write_result("█χ")
    assert screen.buffer.getvalue().decode() == written  # type: ignore[attr-defined]
