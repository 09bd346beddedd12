"""What a picture shows, as plain data: `html` draws it as SVG, `plots` with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Points = list[tuple[float, float]]
MOST_MARKERS = 60  # on a line; more would hide it


@dataclass(frozen=True)
class Series:
    """A line; points whose number is not finite are left out of the picture."""

    name: str
    points: Points
    dashed: bool = False


@dataclass(frozen=True)
class LineChart:
    """Lines over a shared axis, maybe with a band that says where healthy values lie."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    logarithmic: bool = False
    logarithmic_x: bool = False
    band: tuple[float, float] | None = None
    band_name: str = ""
    x_names: Sequence[str] = ()  # of the places 0, 1, ... where x is not a number
    markers: bool = False
    sequential: bool = False  # colours along a scale, for lines that have an order


@dataclass(frozen=True)
class HeatMap:
    """A shaded cell a row and column; ``cells[row][column]`` is None where undefined."""

    title: str
    x: str
    y: str
    columns: Sequence[str]
    rows: Sequence[str]
    cells: Sequence[Sequence[float | None]]
    note: str = ""
    logarithmic: bool = True  # in shade, and in the mean where columns are joined
    contour: Sequence[Points] = ()  # lines over the cells, in columns and rows
    contour_name: str = ""


Chart = LineChart | HeatMap
