"""Charts as a picture, PNG or SVG, drawn by matplotlib: the extra `plot`."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from bpcli.errors import BpcliError
from bpcli.report.charts import Chart, HeatMap, LineChart

SUFFIXES = (".png", ".svg")
_WIDTH, _HEIGHT, _ROW = 8.0, 3.4, 0.16  # inches: of a chart, and of a heat map's row
_DOTS = 144  # an inch
_MOST_NAMES = 24  # along an axis
_FEW, _MOST_ENTRIES = 4, 12  # of a legend: within the picture, and at all
# text stays text in an SVG, and its ids and metadata hold no clock value: same data, same bytes
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "bpcli", "axes.spines.top": False,
             "axes.spines.right": False, "axes.titlelocation": "left"}  # fmt: skip
_METADATA = {"svg": {"Date": None}, "png": {"Software": None}}


def plot(charts: Sequence[Chart], title: str, suffix: str) -> bytes:
    """All charts below one another, as the bytes of a `.png` or `.svg` file.

    Raises BpcliError where matplotlib is missing or there is nothing to draw.
    """
    matplotlib = _matplotlib()
    if not charts:
        raise BpcliError("there is nothing to plot: no figures were recorded")
    heights = [_height(chart) for chart in charts]
    with matplotlib.rc_context(_SETTINGS):
        figure = import_module("matplotlib.figure").Figure(
            (_WIDTH, sum(heights) + 0.4), dpi=_DOTS, layout="constrained"
        )
        figure.suptitle(title)
        rows = figure.subplots(len(charts), 1, squeeze=False, height_ratios=heights)
        for (axes,), chart in zip(rows, charts, strict=True):
            if isinstance(chart, HeatMap):
                _heat_map(axes, chart)
            else:
                _line_chart(axes, chart)
            axes.set(title=chart.title, xlabel=chart.x, ylabel=chart.y)
        file, kind = io.BytesIO(), suffix.removeprefix(".")
        figure.savefig(file, format=kind, metadata=_METADATA[kind])
    return file.getvalue()


def _matplotlib() -> Any:
    try:
        return import_module("matplotlib")
    except ImportError:
        raise BpcliError(
            "plots need matplotlib, which is not installed; `pip install 'bpcli[plot]'` brings it"
        ) from None


def _height(chart: Chart) -> float:
    rows = len(chart.rows) if isinstance(chart, HeatMap) else 0
    return min(max(_HEIGHT, _ROW * rows + 1.2), 3 * _HEIGHT)


def _line_chart(axes: Any, chart: LineChart) -> None:
    colours = _colours(chart)
    for series, colour in zip(chart.series, colours, strict=True):
        points = [p for p in series.points if _drawable(p[1], logarithmic=chart.logarithmic)]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        style = ("o" if chart.markers else "") + ("--" if series.dashed else "-")
        axes.plot(xs, ys, style, label=series.name, color=colour,
                  markersize=3.5, linewidth=1.4)  # fmt: skip
    if chart.logarithmic:
        axes.set_yscale("log")
    if chart.logarithmic_x:
        axes.set_xscale("log")
    if chart.band is not None:
        axes.axhspan(*chart.band, color="tab:green", alpha=0.15, label=chart.band_name)
    if chart.x_names:
        _name(axes.set_xticks, chart.x_names, rotation=30, ha="right")
    axes.grid(axis="y", alpha=0.3)
    entries = len(chart.series) + (chart.band is not None)
    if 1 < entries <= _MOST_ENTRIES + 1:
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if entries > _FEW else {}
        axes.legend(fontsize="small", frameon=False, **beside)


def _drawable(value: float, *, logarithmic: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not logarithmic)


def _colours(chart: LineChart) -> list[Any]:
    """Along a scale for lines that have an order, else matplotlib's own."""
    count = len(chart.series)
    if not chart.sequential or count < 2:
        return [f"C{n % 10}" for n in range(count)]
    scale = import_module("matplotlib").colormaps["viridis"]
    return [scale(0.9 * n / (count - 1)) for n in range(count)]


def _heat_map(axes: Any, chart: HeatMap) -> None:
    colors = import_module("matplotlib.colors")
    cells = [[_cell(cell, chart) for cell in row] for row in chart.cells]
    known = [cell for row in cells for cell in row if not math.isnan(cell)]
    low, high = min(known, default=1.0), max(known, default=10.0)
    norm = colors.Normalize(low, high)
    if chart.logarithmic:
        norm = colors.LogNorm(low, high if high > low else low * 1.001 + 1e-300)
    image = axes.imshow(cells, aspect="auto", interpolation="nearest", cmap="viridis", norm=norm)
    axes.grid(visible=False)
    _name(axes.set_xticks, chart.columns, rotation=0, ha="center", most=10)
    _name(axes.set_yticks, chart.rows)
    if chart.contour:
        style = {"color": "white", "linewidth": 3.5}, {"color": "black", "linewidth": 1.5}
        for each, label in zip(style, ("", chart.contour_name), strict=True):
            for n, line in enumerate(chart.contour):
                axes.plot(*zip(*line, strict=True), label=None if n else label or None, **each)
        axes.legend(loc="best")
    axes.figure.colorbar(image, ax=axes, pad=0.01)


def _cell(value: float | None, chart: HeatMap) -> float:
    """nan, which stays white, where it cannot be shown."""
    known = value is not None and _drawable(value, logarithmic=chart.logarithmic)
    return float(value) if known and value is not None else math.nan


def _name(set_ticks: Any, names: Sequence[str], most: int = _MOST_NAMES, **style: Any) -> None:
    """The names at the places 0, 1, ..., every so many where they are too many."""
    every = max(1, math.ceil(len(names) / most))
    set_ticks(range(0, len(names), every), names[::every], fontsize="small", **style)
