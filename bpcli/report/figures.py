"""Metrics as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bpcli.report.document import Column, Span, Style, Table
from bpcli.report.text import number, percent

Figures = Mapping[str, float | None]
_SHARES = ("accuracy",)
_TITLES = {"bits_per_character": "bits/character", "r2": "R²"}


def title(metric: str) -> str:
    return _TITLES.get(metric, metric)


def figure(metric: str, value: float | None) -> str:
    """93.12% for shares, four digits for everything else."""
    return percent(value) if metric in _SHARES else number(value)


def parts_table(parts: Mapping[str, Figures], notes: Mapping[str, str] | None = None) -> Table:
    """A row for each part of the data, a column for each metric."""
    metrics = list(next(iter(parts.values()))) if parts else []
    columns = [Column("", "left"), *(Column(title(metric)) for metric in metrics)]
    rows: list[list[Span | str]] = [
        [Span(part, "strong"), *(figure(metric, figures.get(metric)) for metric in metrics)]
        for part, figures in parts.items()
    ]
    if notes:
        columns.append(Column("", "left", shortens=True))
        for row, part in zip(rows, parts, strict=True):
            row.append(Span(notes.get(part, ""), "muted"))
    return Table(tuple(columns), rows)


def ratio_style(update_ratio: float | None) -> Style:
    """How an update:weight ratio is marked: about 1e-3 is healthy, far from it is not."""
    if update_ratio is None or not math.isfinite(update_ratio):
        return "muted"
    return "plain" if 1e-6 <= update_ratio <= 1e-1 else "warning"
