"""Documents as lines of text."""

from __future__ import annotations

import pytest

from bpcli.report.document import Column, Document, Fields, Lines, Span, Table
from bpcli.report.layout import lay_out, plain
from bpcli.report.text import (
    count,
    duration,
    number,
    percent,
    plural,
    printable,
    scientific,
    shorten,
    width,
)
from bpcli.report.trend import Trend

TABLE = Table(
    (Column("layer", "left", shortens=True), Column("norm")),
    [["dense_1", "1.5"], [Span("dense_2", "strong"), "22.75"]],
    footer=[["both", "24.25"]],
)


def test_cells_are_aligned_and_lines_end_without_blanks() -> None:
    assert plain(lay_out(Document([TABLE]), 80)).splitlines() == [
        "layer     norm",
        "dense_1    1.5",
        "dense_2  22.75",
        "──────────────",
        "both     24.25",
    ]


def test_blocks_are_apart_and_field_names_stand_once() -> None:
    document = Document([Lines(("title",)), Fields([("run", "runs/1"), ("", "more")])])
    assert plain(lay_out(document, 80)) == "title\n\nrun  runs/1\n     more\n"


def test_a_table_gives_way_to_a_narrow_screen() -> None:
    table = Table(TABLE.columns, [["a_very_long_name", "1.5"]])
    lines = plain(lay_out(Document([table]), 14)).splitlines()
    assert max(map(len, lines)) == 14
    assert lines[1] == "a_very_…   1.5"


def test_a_path_gives_way_at_its_start() -> None:
    table = Table((Column("name", "left", shortens="at start"),), [["residual_1.dense_1.weight"]])
    assert plain(lay_out(Document([table]), 14)).splitlines()[1] == "…ense_1.weight"


def test_a_long_line_of_facts_is_broken_between_them() -> None:
    line = Lines((("name", " · 12 layers", " · 4,096 parameters"),))
    assert plain(lay_out(Document([line]), 20)).splitlines() == [
        "name · 12 layers",
        "  4,096 parameters",
    ]


def test_wide_and_combining_characters_keep_columns_straight() -> None:
    rows = [["花瓣", "1"], ["e\u0301te", "2"], ["ab", "3"]]
    lines = plain(lay_out(Document([Table(TABLE.columns, rows)]), 80)).splitlines()
    assert {width(line) for line in lines} == {11}
    assert shorten("花瓣花瓣", 5) == "花瓣…"


def test_control_characters_are_written_out() -> None:
    assert printable("a\x1b[31mb\tc") == "a\\x1b[31mb\\tc"
    assert "\x1b" not in plain(lay_out(Document([Lines(("\x1b[2J",))]), 80))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(0.123456), "0.1235"),
        (number(123.456), "123.5"),
        (number(1234567.0), "1.2e+06"),
        (number(0.00001234), "1.2e-05"),
        (number(0.0), "0"),
        (number(float("nan")), "–"),
        (number(None), "–"),
        (number(float("-inf")), "-∞"),
        (scientific(0.00123), "1.2e-03"),
        (percent(0.98333), "98.33%"),
        (duration(0.000379), "379 µs"),
        (duration(0.00123), "1.23 ms"),
        (duration(59.96), "1 min 00 s"),
        (duration(125), "2 min 05 s"),
        (duration(7380), "2 h 03 min"),
        (count(9_999), "9,999"),
        (count(12_345), "12.3 k"),
        (count(999_960), "1.0 M"),
        (plural(1, "epoch"), "1 epoch"),
        (plural(1_234, "class", "classes"), "1,234 classes"),
    ],
)
def test_numbers_have_sensible_digits(written: str, expected: str) -> None:
    assert written == expected


def test_a_trend_is_logarithmic_and_calm() -> None:
    assert Trend([1e-3, 1e-2, 1e-1, 1.0]).line(4) == "▁▃▆█"
    bars = Trend([1.0, 1.2, 1.0]).line(3)  # no trend where there is none
    assert max(map(ord, bars)) - min(map(ord, bars)) <= 1
    assert Trend([1.0, 0.0, None, float("nan"), 1.0]).line(5) == "▅   ▅"
    assert Trend().line(16) == ""


def test_a_long_trend_keeps_its_course_and_little_memory() -> None:
    long = Trend(10.0 ** (-8 * n / 10_000) for n in range(10_000))
    assert len(long.points) <= 64
    assert long.line(8) == "█▇▆▅▄▃▂▁"
