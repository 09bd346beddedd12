"""Charts as a picture, PNG or SVG, drawn by matplotlib: the extra `plot`."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from importlib import import_module
from textwrap import fill
from typing import Any

from bpcli.errors import BpcliError
from bpcli.report.charts import MOST_MARKERS, Chart, HeatMap, LineChart
from bpcli.report.names import short

SUFFIXES = (".png", ".svg")
_WIDTH, _HEIGHT, _ROW = 8.0, 3.4, 0.16  # inches: of a chart, and of a heat map's row
_DOTS = 144  # an inch
_MOST_NAMES, _MOST_SLANTED = 24, 16  # down and along an axis
_LETTERS = 84  # of a title's line
_FEW, _MOST_ENTRIES = 2, 12  # of a legend: within the picture, and at all
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
        figure.suptitle(fill(title, _LETTERS))
        # each part is laid out by itself: wide names of one chart leave the others their width
        parts = figure.subfigures(len(charts), 1, squeeze=False, height_ratios=heights)
        for (part,), chart in zip(parts, charts, strict=True):
            axes = part.subplots()
            if isinstance(chart, HeatMap):
                _heat_map(axes, chart)
            else:
                _line_chart(axes, chart)
            axes.set(title=fill(chart.title, _LETTERS), xlabel=chart.x, ylabel=chart.y)
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
        lonely = len(points) == 1  # a line of one point would not be seen
        few = chart.markers and len(points) <= MOST_MARKERS
        style = ("o" if few or lonely else "") + ("--" if series.dashed else "-")
        axes.plot(xs, ys, style, label=_label(series.name), color=colour,
                  markersize=3.5, linewidth=1.4)  # fmt: skip
    if chart.band is not None:
        axes.axhspan(*chart.band, color="tab:green", alpha=0.15, label=chart.band_name)
    _scale(axes, chart)
    if chart.x_names:
        _name(axes.set_xticks, chart.x_names, _MOST_SLANTED, rotation=30, ha="right")
    axes.grid(axis="y", alpha=0.3)
    entries = len(chart.series) + (chart.band is not None)
    if 1 < entries <= _MOST_ENTRIES + 1:
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if entries > _FEW else {}
        axes.legend(fontsize="small", frameon=False, **beside)


def _label(name: str) -> str:
    return short(name) if "." in name else name


def _scale(axes: Any, chart: LineChart) -> None:
    """Logarithmic axes, with 0.2 rather than 2·10⁻¹; no epoch 1.5 where all places are whole."""
    ticker = import_module("matplotlib.ticker")
    places = {x for series in chart.series for x, _ in series.points}
    if chart.logarithmic:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        if high < 5 * low:
            axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
        elif high < 100 * low:
            axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    if chart.logarithmic_x:
        axes.set_xscale("log")
    elif not chart.x_names and all(float(x).is_integer() for x in places):
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))


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
        norm = colors.LogNorm(low, high) if high > low else colors.LogNorm(low / 2, low * 2)
        zeros = [[cell == 0 for cell in row] for row in chart.cells]
        cells = [[low if zero else cell for zero, cell in zip(*pair, strict=True)]
                 for pair in zip(zeros, cells, strict=True)]  # fmt: skip
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
    shown = [short(name) for name in names[::every]]
    set_ticks(range(0, len(names), every), shown, fontsize="small", **style)
