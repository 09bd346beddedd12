"""What a sweep found: the best jobs first, and grids of a figure over two paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bpcli.report.charts import HeatMap
from bpcli.report.document import Block, Column, Document, Fields, Lines, Piece, Span, Table
from bpcli.report.text import duration, number, plural, width
from bpcli.sweep.sweep import Progress, Sweep
from bpcli.sweep.table import Grid, Row, best_first, contour_of, figures_of, grid_of, mean

_PREVIEWED = 5  # jobs of a dry run
_SHOWN = 10  # jobs, best first
_FIGURES = 3  # beside the one that jobs are judged by
_SHADES = "·░▒▓█"
_NUMBERED = 5  # columns of a grid whose numbers still fit 80
_WIDTH = 80
_MOST_ROWS = 40  # of a grid on a terminal
Over = tuple[tuple[str, Sequence[Any]], tuple[str, Sequence[Any]]]  # two paths and their values


def plan(sweep: Sweep, jobs: int, seconds: float | None, workers: int) -> Document:
    """What would be done, for --dry-run."""
    estimate = seconds and seconds * -(-jobs // workers)
    fields = Fields([
        ("jobs", f"{jobs:,}, to {sweep.do}, {workers} at a time"),
        ("estimated time", "unknown" if estimate is None else duration(estimate)),
    ])  # fmt: skip
    varied = Table(
        (Column("varied", "left", shortens="at start"), Column("values", "left", shortens=True)),
        [[path, _listed(values)] for path, values in _raw_axes(sweep)],
    )
    points = [point for point, _ in zip(sweep.points(), range(_PREVIEWED), strict=False)]
    paths = [path for path, _ in _raw_axes(sweep)]
    preview = Table(
        (Column("job"), *(Column(name, shortens=True) for name in _told_apart(paths))),
        [[str(n), *(setting.partition("=")[2] for setting in point)]
         for n, point in enumerate(points, 1)],
    )  # fmt: skip
    more = [Lines((f"... {jobs - _PREVIEWED:,} more",))] if jobs > _PREVIEWED else []
    data = {
        "do": sweep.do,
        "jobs": jobs,
        "estimated_seconds": estimate,
        "vary": {path: list(values) for path, values in _raw_axes(sweep)},
    }
    return Document([fields, varied, preview, *more], data)


def _raw_axes(sweep: Sweep) -> list[tuple[str, Sequence[str]]]:
    return [pair for axis in sweep.axes for pair in zip(axis.paths, axis.values, strict=True)]


def _listed(values: Sequence[str]) -> str:
    if len(values) <= 6:
        return ", ".join(values)
    shown = [_rounded(value) for value in (*values[:3], values[-1])]
    return f"{', '.join(shown[:3])}, ... {shown[3]} ({len(values):,} values)"


def _rounded(written: str) -> str:
    """A value of a range, short enough for the ends of the range to be seen."""
    try:
        return written if written.isdecimal() else f"{float(written):.4g}"
    except ValueError:
        return written


def summary(
    rows: Sequence[Row],
    paths: Sequence[str],
    progress: Progress,
    folder: str,
    judged: str,
    over: Over | None = None,
) -> Document:
    """The table of results, the best by the figure ``judged`` first; with ``over`` that figure over
    two varied paths too."""
    good = [row for row in rows if "error" not in row]
    blocks: list[Block] = []
    if good:
        blocks.append(_table(best_first(good, judged)[:_SHOWN], paths, judged))
    if len(good) > _SHOWN:
        blocks.append(Lines((f"... {len(good) - _SHOWN:,} more in {folder}/results.csv",)))
    blocks += _failures([row for row in rows if "error" in row])
    blocks.append(Fields([
        ("jobs", _counts(progress)), ("results", f"{folder}/results.jsonl, results.csv"),
    ]))  # fmt: skip
    grid = grid_of(good, over, judged) if over else None
    if grid is not None:
        blocks += _heat(grid)
    data = {"jobs": progress.jobs, "done": progress.done, "before": progress.before,
            "alike": progress.alike, "failed": progress.failed, "judged_by": judged,
            "folder": folder, "results": list(rows)}  # fmt: skip
    if grid is not None:
        data["grid"] = vars(grid)
    return Document(blocks, data)


def _counts(progress: Progress) -> str:
    counts = [f"{progress.done:,} done now", f"{progress.before:,} before",
              f"{progress.failed:,} failed"]  # fmt: skip
    if progress.alike:
        counts.append(f"{progress.alike:,} like another and not run twice")
    return ", ".join(counts)


def _failures(failed: Sequence[Row]) -> list[Block]:
    if not failed:
        return []
    lines: list[tuple[Piece, ...]] = [
        (Span(f"job {row['job']} failed: ", "bad"), str(row["error"])) for row in failed[:_SHOWN]
    ]
    if len(failed) > _SHOWN:
        lines.append((f"... {len(failed) - _SHOWN:,} more failed",))
    return [Lines(tuple(lines))]


def _table(rows: Sequence[Row], settings: Sequence[str], judged: str) -> Table:
    numeric = [
        name
        for name in figures_of(rows)
        if name not in (*settings, "seconds", "job", judged) and not name.endswith("_error")
        and any(isinstance(row.get(name), float) for row in rows)
    ]  # fmt: skip
    names = _told_apart(settings)
    figures = _fitting([judged, *sorted(numeric, key=lambda name: _kinship(name, judged))], names)
    columns = [Column("job"), *(Column(name, shortens=True) for name in names)]
    columns += [Column(name) for name in figures]
    cells: list[list[Piece]] = [
        [
            str(row["job"]),
            *(_value(row.get(path, "")) for path in settings),
            *(_figure(row.get(name)) for name in figures),
        ]
        for row in rows
    ]
    return Table(tuple(columns), cells)


def _kinship(name: str, judged: str) -> int:
    """0 for another metric of the part that is judged, 1 for the same metric of another part."""
    part, _, metric = judged.rpartition(".")
    of, _, what = name.rpartition(".")
    return 0 if of == part else 1 if what == metric else 2


def _fitting(figures: Sequence[str], beside: Sequence[str]) -> list[str]:
    """The first of the figures, and as many more as a terminal has room for."""
    left = _WIDTH - sum(len(name) + 2 for name in ("job", *beside))
    kept = [figures[0]]
    for name in figures[1 : 1 + _FIGURES]:
        if sum(len(each) + 2 for each in (*kept, name)) <= left:
            kept.append(name)
    return kept


def _told_apart(paths: Sequence[str]) -> list[str]:
    """The last name of each path, of those that are alike the last two."""
    ends = [path.rpartition(".")[2] for path in paths]
    return [
        end if ends.count(end) == 1 and not end.isdecimal() else _short(path)
        for path, end in zip(paths, ends, strict=True)
    ]


def _short(path: str) -> str:
    """The last names of a path: enough to tell it in a table."""
    parts = path.split(".")
    return ".".join(parts[-2:]) if len(parts) > 2 else path


def _figure(value: object) -> str:
    return number(float(value)) if isinstance(value, int | float) else "–"


# grids


def _heat(grid: Grid) -> list[Block]:
    """A cell a pair of values: a shade from the smallest to the largest, with the number where
    there is room."""
    known = [cell for row in grid.cells for cell in row if cell is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if not known or len(grid.x_values) > _NUMBERED:
        return [_shades_alone(grid, low, high) if known else Lines((f"no {grid.figure} known",))]
    title = Column(f"{_short(grid.y)} \\ {_short(grid.x)}", "left", shortens=True)
    columns = (title, *(Column(_value(value), shortens=True) for value in grid.x_values))
    rows: list[list[Piece]] = [
        [_value(y), *(_shaded(cell, low, high) for cell in cells)]
        for y, cells in zip(grid.y_values, grid.cells, strict=True)
    ]
    return [Table(columns, rows, [[grid.figure] + [""] * len(grid.x_values)])]


def _shades_alone(grid: Grid, low: float, high: float) -> Lines:
    """A row of shades for each value, two characters wide where that fits a terminal; what does
    not fit is joined."""
    label = min(20, max(width(_value(y)) for y in grid.y_values))
    joined = _joined(grid, _WIDTH - label - 2, _MOST_ROWS)
    count = len(joined.x_values)
    wide = 2 if label + 2 + 2 * count <= _WIDTH else 1
    first, last = _value(grid.x_values[0]), _value(grid.x_values[-1])
    gap = max(1, wide * count - len(first) - len(last))
    note = "" if joined is grid else ", each the mean of neighbours"
    return Lines((
        f"{grid.figure}: {_SHADES[0]} {number(low, 3)} to {_SHADES[-1]} {number(high, 3)}{note}",
        f"down {_short(grid.y)}, across {_short(grid.x)}",
        "",
        *(f"{_value(y)[:label]:>{label}}  "
          + "".join(wide * _shade(cell, low, high) for cell in cells)
          for y, cells in zip(joined.y_values, joined.cells, strict=True)),
        f"{'':{label}}  {first}{'':{gap}}{last}",
    ))  # fmt: skip


def _joined(grid: Grid, most_columns: int, most_rows: int) -> Grid:
    """The grid with as few neighbours joined, by their mean, as make it that small."""
    wide = -(-len(grid.x_values) // most_columns)
    high = -(-len(grid.y_values) // most_rows)
    if wide == high == 1:
        return grid
    cells = [
        [
            mean(cell for row in grid.cells[y : y + high] for cell in row[x : x + wide])
            for x in range(0, len(grid.x_values), wide)
        ]
        for y in range(0, len(grid.y_values), high)
    ]
    return replace(
        grid, x_values=grid.x_values[::wide], y_values=grid.y_values[::high], cells=cells
    )


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shaded(cell: float | None, low: float, high: float) -> str:
    if cell is None:
        return "–"
    return f"{number(cell, 3)} {_shade(cell, low, high)}"


def _shade(cell: float | None, low: float, high: float) -> str:
    if cell is None:
        return " "
    share = (cell - low) / (high - low) if high > low else 0.0
    return _SHADES[min(int(share * len(_SHADES)), len(_SHADES) - 1)]


# pictures


def grid_chart(
    rows: Sequence[Row], over: Over, judged: str, contour: tuple[str, float] | None = None
) -> HeatMap:
    """The figure over two varied paths, as a picture; ``contour``: a line where another figure
    takes a value."""
    good = [row for row in rows if "error" not in row]
    grid = grid_of(good, over, judged)
    alone = len(good) <= sum(cell is not None for row in grid.cells for cell in row)
    return HeatMap(
        grid.figure if alone else f"{grid.figure}, the mean over everything else that varies",
        grid.x, grid.y, [_value(value) for value in grid.x_values],
        [_value(value) for value in grid.y_values], grid.cells, logarithmic=False,
        contour=contour_of(grid_of(good, over, contour[0]), contour[1]) if contour else (),
        contour_name=f"{contour[0]} = {contour[1]:g}" if contour else "",
    )  # fmt: skip


def sweep_page(document: Document, chart: HeatMap | None, name: str, jobs: int) -> str:
    """One HTML file: the heat map, where there is one, and what the terminal shows."""
    from bpcli.report.html.charts import heat_map
    from bpcli.report.html.document import blocks
    from bpcli.report.html.page import page

    picture, shown = "", document.blocks
    if chart is not None:
        picture, shown = heat_map(chart), shown[:-1]  # without the grid of text
    sections = [("", picture), ("Results, best first", blocks(shown))]
    return page(f"{name}: a sweep", plural(jobs, "job"), [each for each in sections if each[1]])
