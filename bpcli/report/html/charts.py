"""Charts as SVG, each with the table of its numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from html import escape
from itertools import groupby

from bpcli.report.charts import MOST_MARKERS, Chart, HeatMap, LineChart, Points, Series
from bpcli.report.html.scales import Scale, scale_over, thinned
from bpcli.report.names import LONGEST, short

WIDTH, HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 12, 42
_SLANTED = 9.2  # room across that a letter of such a name takes
_MOST_POINTS = 400  # of a line
_MOST_COLUMNS = 80  # of a heat map
_MOST_ROWS = 400  # of a table or a heat map
_PALETTE = 8  # classes s0 ... s7 in the style sheet
_SHADES = 12  # classes h0 ... h11


def number(value: float | None) -> str:
    """Short, for axes and tables."""
    if value is None or not math.isfinite(value):
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 9999.5:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.4g}"


def figure(chart: Chart) -> str:
    """A figure: legend, SVG, table."""
    return heat_map(chart) if isinstance(chart, HeatMap) else line_chart(chart)


def line_chart(chart: LineChart) -> str:
    """A figure: legend, SVG, table."""
    lines = [replace(s, points=_drawable(chart, s.points)) for s in chart.series]
    xs = [x for s in lines for x, _ in s.points] or [0.0]
    ys = [y for s in lines for _, y in s.points]
    if chart.band:
        ys += [edge for edge in chart.band if not chart.logarithmic or edge > 0]
    bottom = _BOTTOM + _room_for(chart.x_names)
    across = scale_over(xs, _LEFT, WIDTH - _RIGHT, logarithmic=chart.logarithmic_x)
    up = scale_over(ys, HEIGHT - bottom, _TOP, logarithmic=chart.logarithmic)
    parts = [_band(chart, up), _axes(chart, across, up, bottom)]
    parts += [_line(chart, n, len(lines), s, across, up) for n, s in enumerate(lines)]
    data = {
        "left": _LEFT, "right": WIDTH - _RIGHT, "top": _TOP, "bottom": HEIGHT - bottom,
        "x": chart.x,
        "names": list(chart.x_names),
        "series": [
            {"name": s.name, "class": _colour(chart, n, len(lines)),
             "points": [[round(across(x), 1), round(up(y), 1), _plain(x), number(y)]
                        for x, y in thinned(s.points, _MOST_POINTS)]}
            for n, s in enumerate(lines)
        ],
    }  # fmt: skip
    svg = _svg(chart.title, HEIGHT, "".join(parts), data)
    return _figure(chart.title, _legend(chart, lines) + svg, _table(chart))


def _drawable(chart: LineChart, points: Points) -> Points:
    return [
        (x, y)
        for x, y in points
        if math.isfinite(y) and (y > 0 or not chart.logarithmic)
        and (x > 0 or not chart.logarithmic_x)
    ]  # fmt: skip


def _plain(x: float) -> str:
    """Steps and epochs in full, other numbers short."""
    return f"{int(x):,}" if float(x).is_integer() and abs(x) < 1e7 else number(x)


def _ticks_across(chart: LineChart, across: Scale) -> list[float]:
    """Only whole ones where all places are whole: there is no epoch 1.5."""
    places = [x for series in chart.series for x, _ in series.points]
    return across.ticks(whole=all(float(x).is_integer() for x in places))


def _colour(chart: LineChart, index: int, count: int) -> str:
    if chart.sequential and count > 1:
        return f"q{round(index * (_SHADES - 1) / (count - 1))}"
    return f"s{index % _PALETTE}"


def _svg(title: str, height: float, inside: str, data: object) -> str:
    encoded = _in_apostrophes(json.dumps(data, separators=(",", ":"), ensure_ascii=False))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" tabindex="0" class="chart" '
        f"aria-label=\"{escape(title)}\" data-chart='{encoded}'>{inside}</svg>"
    )


def _in_apostrophes(text: str) -> str:
    """For an attribute within '...': the quotes of JSON stay as short as they are."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#39;")


def _band(chart: LineChart, up: Scale) -> str:
    if chart.band is None:
        return ""
    low, high = up(chart.band[0]), up(chart.band[1])
    return (
        f'<rect class="band" x="{_LEFT}" y="{high:.1f}" width="{WIDTH - _LEFT - _RIGHT}" '
        f'height="{max(low - high, 1):.1f}"/>'
    )


def _axes(chart: LineChart, across: Scale, up: Scale, bottom: int) -> str:
    floor, right, parts = HEIGHT - bottom, WIDTH - _RIGHT, []
    for tick in up.ticks(5):
        y = up(tick)
        parts.append(_rule("grid", right, y) + _text(_LEFT - 8, y + 4, number(tick), "end"))
    if chart.x_names:
        parts.append(_named_ticks(chart.x_names, across, floor))
    else:
        ticks = _ticks_across(chart, across)
        parts += [_text(across(tick), floor + 18, _plain(tick)) for tick in ticks]
    parts.append(_rule("axis", right, floor))
    parts.append(_text((_LEFT + right) / 2, HEIGHT - 6, chart.x, kind="label"))
    centre = (_TOP + floor) / 2
    parts.append(f'<g transform="translate(14 {centre:g}) rotate(-90)">')
    parts.append(_text(0, 0, chart.y, kind="label") + "</g>")
    return "".join(parts)


def _rule(kind: str, right: float, y: float) -> str:
    return f'<line class="{kind}" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _named_ticks(names: Sequence[str], across: Scale, floor: int) -> str:
    every = max(1, math.ceil(len(names) / 16))
    return "".join(
        f'<text class="name" transform="translate({across(n):.1f} {floor + 12}) rotate(-30)" '
        f'text-anchor="end">{escape(short(name, int(across(n) / _SLANTED)))}</text>'
        for n, name in enumerate(names)
        if n % every == 0
    )


def _room_for(names: Sequence[str]) -> int:
    """Under the axis, for names aslant."""
    longest = min(LONGEST, max(map(len, names), default=0))
    return max(0, int(longest * _SLANTED / 2) - 6)


def _line(
    chart: LineChart, index: int, count: int, series: Series, across: Scale, up: Scale
) -> str:
    points = [(across(x), up(y)) for x, y in thinned(series.points, _MOST_POINTS)]
    if not points:
        return ""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    colour = _colour(chart, index, count)
    marks = "".join(
        f'<circle class="mark {colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points
    )
    few = chart.markers and len(points) <= MOST_MARKERS
    wanted = marks if few or len(points) == 1 else ""
    style = f"line {colour} dashed" if series.dashed else f"line {colour}"
    return f'<path class="{style}" d="{path}"/>{wanted}'


def _legend(chart: LineChart, lines: Sequence[Series]) -> str:
    left_out = _left_out(chart)
    if len(lines) < 2 and not chart.band and not left_out:
        return ""
    shown = lines if len(lines) <= 12 else [*lines[:2], *lines[-2:]]
    entries = []
    for series in shown:
        colour = _colour(chart, lines.index(series), len(lines))
        entries.append(f'<li><span class="key {colour}"></span>{escape(series.name)}</li>')
    if len(shown) < len(lines):
        entries.insert(2, f"<li>… {len(lines) - len(shown)} more between them …</li>")
    if chart.band:
        entries.append(f'<li><span class="key bandkey"></span>{escape(chart.band_name)}</li>')
    if left_out:
        entries.append(f"<li>not drawn: {left_out}</li>")
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _left_out(chart: LineChart) -> str:
    """Which kinds of values there are but cannot be drawn."""
    ys = [y for series in chart.series for _, y in series.points]
    kinds = {
        "0": chart.logarithmic and any(y == 0 for y in ys),
        "negative": chart.logarithmic and any(-math.inf < y < 0 for y in ys),
        "infinite": any(math.isinf(y) for y in ys),
    }
    return ", ".join(kind for kind, there in kinds.items() if there)


def _figure(title: str, picture: str, table: str) -> str:
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>{picture}"
        f"<details><summary>The numbers</summary>{table}</details></figure>"
    )


def _table(chart: LineChart) -> str:
    columns = [dict(series.points) for series in chart.series]
    places = sorted({x for column in columns for x in column})
    every = max(1, math.ceil(len(places) / _MOST_ROWS))
    kept = places[::every]
    head = [chart.x, *(series.name for series in chart.series)]
    rows = [
        [
            chart.x_names[int(x)] if chart.x_names else _plain(x),
            *(number(column.get(x)) for column in columns),
        ]
        for x in kept
    ]
    note = f"every {every}th of {len(places)} places" if every > 1 else ""
    return table(head, rows, note)


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    words: Collection[int] = (),
) -> str:
    """An HTML table; the first cell of a row is its heading, the columns ``words`` hold text."""
    style = ["" if n not in words else ' class="left"' for n in range(len(head))]
    titles = "".join(
        f'<th scope="col"{style[n]}>{escape(title)}</th>' for n, title in enumerate(head)
    )
    head_row = f"<thead><tr>{titles}</tr></thead>" if any(head) else ""
    body = "".join(
        f"<tr>{row_heading(row[0], escape(row[0]))}"
        + "".join(f"<td{style[n]}>{escape(cell)}</td>" for n, cell in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    )
    said = f"<p class=note>{escape(note)}</p>" if note else ""
    return f'{said}<div class="scroll" tabindex="0"><table>{head_row}<tbody>{body}</tbody></table></div>'  # noqa: E501


def row_heading(text: str, content: str) -> str:
    """Of a row of a table; long ones may break where there is little room."""
    kind = ' class="long"' if len(text) > LONGEST else ""
    return f'<th scope="row"{kind}>{content}</th>'


def heat_map(chart: HeatMap) -> str:
    """A figure of cells shaded by their value, or its logarithm."""
    groups, lines = _groups(len(chart.columns)), _groups(len(chart.rows), _MOST_ROWS)
    join = _geometric_mean if chart.logarithmic else _mean
    cells = [
        [join([chart.cells[m][n] for m in line for n in group]) for group in groups]
        for line in lines
    ]
    names = [chart.rows[line[0]] for line in lines]
    known = [c for row in cells for c in row if c is not None and (c > 0 or not chart.logarithmic)]
    scale = Scale(min(known, default=1.0), max(known, default=10.0), 0.0, 1.0, chart.logarithmic)
    left = 12 + 9 * min(LONGEST, max((len(short(name)) for name in names), default=0))
    height = max(10.0, min(22.0, 480 / max(1, len(names))))
    width = (WIDTH - left - _RIGHT) / max(1, len(groups))
    total = _TOP + height * len(names) + 40
    parts, every = [], max(1, math.ceil(len(names) / 40))
    for r, row in enumerate(cells):
        y = _TOP + r * height
        if r % every == 0:
            parts.append(_text(left - 6, y + height / 2 + 4, short(names[r]), "end", "name"))
        parts += [
            f'<rect class="{shade}" x="{left + first * width:.1f}" y="{y:.1f}" '
            f'width="{count * width + 0.3:.1f}" height="{height + 0.3:.1f}"/>'
            for shade, first, count in _runs([_shade(cell, scale) for cell in row])
        ]
    across, down = width / len(groups[0]), height / len(lines[0])
    contour = [
        [(left + (column + 0.5) * across, _TOP + (row + 0.5) * down) for column, row in points]
        for points in chart.contour
    ]
    parts += [_polyline(points, kind) for kind in ("halo", "contour") for points in contour]
    parts.append(_column_names(chart, groups, left, width, total))
    data = {
        "heat": True, "left": left, "top": _TOP, "width": round(width, 3), "height": height,
        "x": chart.x, "columns": [chart.columns[group[0]] for group in groups],
        "rows": names, "cells": [[number(cell) for cell in row] for row in cells],
    }  # fmt: skip
    svg = _svg(chart.title, total, "".join(parts), data)
    head = [chart.y, *(chart.columns[group[0]] for group in groups)]
    rows = [[name, *(number(cell) for cell in row)]
            for name, row in zip(names, cells, strict=True)]  # fmt: skip
    named = (
        f'<p class="legend"><span class="key contour"></span>{escape(chart.contour_name)}</p>'
        if contour
        else ""
    )
    return _figure(chart.title, _shades(scale) + named + svg, table(head, rows, chart.note))


def _polyline(points: Points, kind: str) -> str:
    at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line {kind}" points="{at}"/>'


def _groups(count: int, most: int = _MOST_COLUMNS) -> list[range]:
    size = max(1, math.ceil(count / most))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return math.fsum(known) / len(known) if known else None


def _geometric_mean(values: Sequence[float | None]) -> float | None:
    """Of the positive ones; 0 where all are 0."""
    known = _known(values)
    positive = [math.log(value) for value in known if value > 0]
    if positive:
        return math.exp(math.fsum(positive) / len(positive))
    return 0.0 if known else None


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _runs(shades: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Of neighbours of one shade: the shade, where they start, how many they are."""
    first = 0
    for shade, group in groupby(shades):
        count = len(list(group))
        yield shade, first, count
        first += count


def _shade(cell: float | None, scale: Scale) -> str:
    if cell is None:
        return "hx"
    if cell <= 0 and scale.logarithmic:
        return "h0"
    return f"h{min(_SHADES - 1, int(scale(cell) * _SHADES))}"


def _column_names(
    chart: HeatMap, groups: Sequence[range], left: float, width: float, total: float
) -> str:
    every = max(1, math.ceil(len(groups) / 8))
    names = "".join(
        _text(left + (n + 0.5) * width, total - 24, chart.columns[group[0]])
        for n, group in enumerate(groups)
        if n % every == 0
    )
    return names + _text(
        (left + WIDTH - _RIGHT) / 2, total - 4, f"→ {chart.x}   ↓ {chart.y}", kind="label"
    )


def _shades(scale: Scale) -> str:
    keys = "".join(f'<span class="key h{n}"></span>' for n in range(_SHADES))
    ends = f"<span>{number(scale.low)}&nbsp;</span>{keys}<span>&nbsp;{number(scale.high)}</span>"
    return f'<p class="legend shades">{ends}</p>'
