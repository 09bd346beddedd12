"""Results as a table with the best first, and as a grid of any figure over two varied paths."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bpcli.sweep.results import flat
from bpcli.training.metrics import LARGER_IS_BETTER

Row = dict[str, Any]
Values = tuple[str, Sequence[Any]]  # a varied path and what it takes, in order
PARTS = ("validation", "test", "train")
METRICS = ("loss", "accuracy", "rmse", "mae", "r2", "perplexity", "bits_per_character")
# theory's, which is not recorded but added: how many ξ_c a network is deep
CORRELATION_DEPTHS = "correlation_depths"
FIGURES = {
    "train": ("epochs", "steps", "seconds", CORRELATION_DEPTHS),
    "diagnose": (
        "gradient_slope", "gradient_slope_error", "activation_slope", "predicted_gradient_slope",
        "chi", "predicted_chi", "seconds", CORRELATION_DEPTHS,
    ),
}  # fmt: skip
# what a sweep is judged by unless it is said: the first of these that its results have
_JUDGED_BY = (
    *(f"{part}.{metric}" for part in PARTS for metric in ("accuracy", "r2", "loss")),
    "gradient_slope",
)


def rows_of(lines: Sequence[dict[str, Any]]) -> list[Row]:
    """A row a result: the settings by their paths, then the figures."""
    return [flat(line) for line in lines]


def figures_of(rows: Sequence[Row]) -> list[str]:
    """The names that hold a number in some row."""
    names = dict.fromkeys(name for row in rows for name in row if name != "job")
    return [name for name in names if any(_number(row, name) is not None for row in rows)]


def judged_by(rows: Sequence[Row]) -> str:
    """The figure that says how good a job is."""
    found = {name for row in rows for name in row}
    return next((name for name in _JUDGED_BY if name in found), "seconds")


def is_figure(name: str, do: str) -> bool:
    """Whether the results of `do` may hold it."""
    part, _, metric = name.rpartition(".")
    if do == "train" and part in PARTS:
        return metric in METRICS
    return name in FIGURES[do]


def best_first(rows: Sequence[Row], figure: str) -> list[Row]:
    """The rows sorted by the figure, those without it last; of slopes, the flattest is best."""
    sign = -1 if figure.rpartition(".")[2] in LARGER_IS_BETTER else 1

    def rank(row: Row) -> float:
        value = _number(row, figure)
        if value is None:
            return math.inf
        return abs(value) if figure.endswith("slope") else sign * value

    return sorted(rows, key=rank)


@dataclass(frozen=True)
class Grid:
    """The mean of a figure over two paths: ``cells[y][x]``, None where there is no result."""

    figure: str
    x: str
    y: str
    x_values: Sequence[Any]
    y_values: Sequence[Any]
    cells: list[list[float | None]]


def grid_of(rows: Sequence[Row], over: tuple[Values, Values], figure: str) -> Grid:
    """The figure over two varied paths, averaged over everything else that varies."""
    (x, xs), (y, ys) = over
    found: dict[tuple[Any, Any], list[float]] = {}
    for row in rows:
        value = _number(row, figure)
        if value is not None:
            found.setdefault((row.get(x), row.get(y)), []).append(value)
    cells = [[mean(found.get((at_x, at_y), ())) for at_x in xs] for at_y in ys]
    return Grid(figure, x, y, xs, ys, cells)


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that there are."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def contour_of(grid: Grid, value: float) -> list[list[tuple[float, float]]]:
    """Where the figure takes the value: lines of (column, row), places between two columns of each
    row, linearly between them. One line where the figure rises to the right, one where it falls;
    of several crossings in a row the first."""
    rising: list[tuple[float, float]] = []
    falling: list[tuple[float, float]] = []
    for y, row in enumerate(grid.cells):
        for x, (left, right) in enumerate(itertools.pairwise(row)):
            if left is None or right is None or (left < value) == (right < value):
                continue
            line = rising if left < value else falling
            if not line or line[-1][1] < y:
                line.append((x + (value - left) / (right - left), float(y)))
    return [line for line in (falling, rising) if line]


def _number(row: Row, figure: str) -> float | None:
    value = row.get(figure)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
