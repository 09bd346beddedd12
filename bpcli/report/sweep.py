"""What a sweep found: the best jobs first, and grids of a figure over two paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bpcli.report.charts import HeatMap
from bpcli.report.document import Block, Column, Document, Fields, Lines, Piece, Span, Table
from bpcli.report.text import duration, number
from bpcli.sweep.sweep import Progress, Sweep
from bpcli.sweep.table import Grid, Row, best_first, contour_of, grid_of, judged_by, rows_of

_SHOWN = 10  # jobs, best first
_FIGURES = 3  # beside the one that jobs are judged by
_SHADES = "·░▒▓█"
_NUMBERED = 5  # columns of a grid whose numbers still fit 80
_WIDTH = 76


def plan(sweep: Sweep, jobs: int, seconds: float | None, workers: int) -> Document:
    """What would be done, for --dry-run."""
    axes = [(path, _values(values)) for axis in sweep.axes
            for path, values in zip(axis.paths, axis.values, strict=True)]  # fmt: skip
    time = "unknown" if seconds is None else duration(seconds * jobs / max(1, min(workers, jobs)))
    fields = Fields(
        [
            ("jobs", f"{jobs:,}, to {sweep.do}, {workers} at a time"),
            ("estimated time", time),
            *axes,
        ]
    )  # fmt: skip
    points = [list(point) for point in _head(sweep, 5)]
    lines = Lines(tuple("  ".join(point) for point in points) + (("...",) if jobs > 5 else ()))
    data = {
        "do": sweep.do,
        "jobs": jobs,
        "estimated_seconds": seconds and seconds * jobs / max(1, min(workers, jobs)),
        "vary": {path: list(values) for path, values in _raw_axes(sweep)},
    }
    return Document([fields, lines], data)


def _head(sweep: Sweep, count: int) -> list[tuple[str, ...]]:
    points = sweep.points()
    return [point for _, point in zip(range(count), points, strict=False)]


def _raw_axes(sweep: Sweep) -> list[tuple[str, Sequence[str]]]:
    return [pair for axis in sweep.axes for pair in zip(axis.paths, axis.values, strict=True)]


def _values(values: Sequence[str]) -> str:
    if len(values) <= 6:
        return ", ".join(values)
    return f"{', '.join(values[:3])}, ... {values[-1]} ({len(values)} values)"


def summary(
    lines: Sequence[dict[str, Any]],
    progress: Progress,
    folder: str,
    *,
    over: tuple[str, str] | None = None,
    figure: str | None = None,
) -> Document:
    """The table of results; with ``over`` the figure over two varied paths too."""
    rows = rows_of(lines)
    judged = figure or judged_by(rows)
    good = [row for row in rows if "error" not in row]
    blocks: list[Block] = [_table(best_first(good, judged)[:_SHOWN], lines, judged)]
    if len(good) > _SHOWN:
        blocks.append(Lines((f"... {len(good) - _SHOWN:,} more in {folder}/results.csv",)))
    grid = grid_of(good, *over, judged) if over else None
    if grid is not None:
        blocks += _heat(grid)
    failed = [row for row in rows if "error" in row]
    if failed:
        blocks.append(
            Lines(tuple(
                (Span(f"job {row['job']} failed: ", "bad"), Span(str(row["error"])))
                for row in failed[:_SHOWN]
            ))
        )  # fmt: skip
    counts = f"{progress.done:,} done now, {progress.before:,} before, {progress.failed:,} failed"
    blocks.append(Fields([("jobs", counts), ("results", f"{folder}/results.jsonl, results.csv")]))
    data = {"jobs": progress.jobs, "done": progress.done, "before": progress.before,
            "failed": progress.failed, "judged_by": judged, "folder": folder,
            "results": list(lines)}  # fmt: skip
    if grid is not None:
        data["grid"] = vars(grid)
    return Document(blocks, data)


def _table(rows: Sequence[Row], lines: Sequence[dict[str, Any]], judged: str) -> Table:
    settings = list(dict.fromkeys(path for line in lines for path in line["settings"]))
    numeric = [
        name
        for row in rows
        for name, value in row.items()
        if isinstance(value, float)
        and name not in (*settings, "seconds")
        and not name.endswith("_error")
    ]
    figures = [judged, *[name for name in dict.fromkeys(numeric) if name != judged][:_FIGURES]]
    columns = [Column("job"), *(Column(name, shortens=True) for name in _told_apart(settings))]
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


def _told_apart(paths: Sequence[str]) -> list[str]:
    """The last name of each path, of those that are alike the last two."""
    ends = [path.rpartition(".")[2] for path in paths]
    return [
        end if ends.count(end) == 1 else _short(path) for path, end in zip(paths, ends, strict=True)
    ]


def _short(path: str) -> str:
    """The last names of a path: enough to tell it in a table."""
    parts = path.split(".")
    return ".".join(parts[-2:]) if len(parts) > 2 else path


def _figure(value: object) -> str:
    return number(float(value)) if isinstance(value, int | float) else "–"


def _heat(grid: Grid) -> list[Block]:
    """A cell a pair of values: a shade from the smallest to the largest, with the number where
    there is room."""
    known = [cell for row in grid.cells for cell in row if cell is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if len(grid.x_values) > _NUMBERED:
        return [_shades_alone(grid, low, high)]
    title = Column(f"{_short(grid.y)} \\ {_short(grid.x)}", "left")
    columns = (title, *(Column(_value(value)) for value in grid.x_values))
    rows: list[list[Piece]] = [
        [_value(y), *(_shaded(cell, low, high) for cell in cells)]
        for y, cells in zip(grid.y_values, grid.cells, strict=True)
    ]
    return [Table(columns, rows, [[grid.figure] + [""] * len(grid.x_values)])]


def _shades_alone(grid: Grid, low: float, high: float) -> Lines:
    """A row of shades for each value, two characters wide where that fits a terminal."""
    values = [_value(y) for y in grid.y_values]
    label = max(map(len, values))
    wide = 2 if label + 2 * len(grid.x_values) <= _WIDTH else 1
    first, last = _value(grid.x_values[0]), _value(grid.x_values[-1])
    gap = max(1, wide * len(grid.x_values) - len(first) - len(last))
    return Lines((
        f"{grid.figure}: {_SHADES[0]} {number(low, 3)} to {_SHADES[-1]} {number(high, 3)}",
        f"down {_short(grid.y)}, across {_short(grid.x)}",
        "",
        *(f"{value:>{label}}  " + "".join(wide * _shade(cell, low, high) for cell in cells)
          for value, cells in zip(values, grid.cells, strict=True)),
        f"{'':{label}}  {first}{'':{gap}}{last}",
    ))  # fmt: skip


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def grid_chart(
    lines: Sequence[dict[str, Any]],
    over: tuple[str, str],
    figure: str | None,
    contour: tuple[str, float] | None = None,
) -> HeatMap:
    """The figure over two varied paths, as a picture; ``contour``: a line where another figure
    takes a value."""
    good = [row for row in rows_of(lines) if "error" not in row]
    grid = grid_of(good, *over, figure or judged_by(good))
    return HeatMap(
        f"{grid.figure}, the mean over everything else that varies",
        grid.x, grid.y, [_value(value) for value in grid.x_values],
        [_value(value) for value in grid.y_values], grid.cells, logarithmic=False,
        contour=contour_of(grid_of(good, *over, contour[0]), contour[1]) if contour else (),
        contour_name=f"{contour[0]} = {contour[1]:g}" if contour else "",
    )  # fmt: skip


def sweep_page(document: Document, chart: HeatMap | None, name: str, jobs: int) -> str:
    """One HTML file: the heat map, where there is one, and what the terminal shows."""
    from bpcli.report.html.charts import heat_map
    from bpcli.report.html.document import blocks
    from bpcli.report.html.page import page

    picture = heat_map(chart) if chart is not None else ""
    sections = [("", picture), ("Results, best first", blocks(document.blocks))]
    return page(f"{name}: a sweep", f"{jobs:,} jobs", [each for each in sections if each[1]])


def _shaded(cell: float | None, low: float, high: float) -> str:
    if cell is None:
        return "–"
    return f"{number(cell, 3)} {_shade(cell, low, high)}"


def _shade(cell: float | None, low: float, high: float) -> str:
    if cell is None:
        return " "
    share = (cell - low) / (high - low) if high > low else 0.0
    return _SHADES[min(int(share * len(_SHADES)), len(_SHADES) - 1)]
