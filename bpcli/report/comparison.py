"""Runs side by side: how they went, what they came to, and where their specs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bpcli.report.document import Block, Column, Document, Lines, Piece, Span, Table
from bpcli.report.figures import figure, title
from bpcli.report.training import PARTS
from bpcli.spec.comparison import differences
from bpcli.training import RunDirectory
from bpcli.training.metrics import LARGER_IS_BETTER

_SIDE_BY_SIDE = 4  # runs whose settings stand in columns; more are grouped by their settings


@dataclass(frozen=True)
class _Run:
    """One of the runs that are compared."""

    label: str
    path: str
    summary: dict[str, Any]
    spec: str

    def value(self, part: str, metric: str) -> float | None:
        found: float | None = self.summary.get(part, {}).get(metric)
        return found


def comparison(paths: Sequence[tuple[str, RunDirectory]]) -> Document:
    """Of (what it is called, run) each; raises CheckpointError where a run cannot be read."""
    runs = [
        _Run(str(n), path, run.read_summary() or {}, run.read_spec())
        for n, (path, run) in enumerate(paths, 1)
    ]
    differing = differences([run.spec for run in runs])
    blocks: list[Block] = [_runs_table(runs)]
    if any(part in run.summary for run in runs for part in PARTS):
        blocks.append(_figures_table(runs))
    blocks.append(_settings(runs, differing))
    return Document(blocks, _data(runs, differing))


def _runs_table(runs: Sequence[_Run]) -> Table:
    columns = (Column(""), Column("run", "left", shortens="at start"), Column("epochs"),
               Column("steps"), Column("best epoch"),
               Column("ended", "left", shortens=True))  # fmt: skip
    return Table(columns, [_run_row(run) for run in runs])


def _run_row(run: _Run) -> list[Piece]:
    summary, best = run.summary, run.summary.get("best") or {}
    counts = [summary.get("epochs"), summary.get("steps"), best.get("epoch")]
    return [
        Span(run.label, "accent"),
        Span(run.path, "strong"),
        *("–" if count is None else f"{count:,}" for count in counts),
        str(summary.get("reason", "not ended")).replace("_", " "),
    ]


def _figures_table(runs: Sequence[_Run]) -> Table:
    """A row for each part and metric, a column for each run; the best of a row stands out."""
    columns = (Column("", "left"), *(Column(run.label) for run in runs))
    return Table(columns, [_figures_row(runs, part, metric) for part, metric in _metrics(runs)])


def _metrics(runs: Sequence[_Run]) -> list[tuple[str, str]]:
    found = [
        (part, metric) for part in PARTS for run in runs for metric in run.summary.get(part, {})
    ]
    known = {pair for pair in found if any(run.value(*pair) is not None for run in runs)}
    return [pair for pair in dict.fromkeys(found) if pair in known]


def _figures_row(runs: Sequence[_Run], part: str, metric: str) -> list[Piece]:
    values = [run.value(part, metric) for run in runs]
    known = [value for value in values if value is not None]
    best = (max if metric in LARGER_IS_BETTER else min)(known, default=None)
    several = len(set(known)) > 1
    return [
        f"{part} {title(metric)}",
        *(
            Span(figure(metric, value), "good" if several and value == best else "plain")
            for value in values
        ),
    ]


def _settings(runs: Sequence[_Run], differing: dict[str, list[str | None]]) -> Block:
    """The paths at which the specs differ, and nothing else."""
    if not differing:
        return Lines(("the specs are the same",))
    path = Column("spec", "left", shortens="at start")
    if len(runs) > _SIDE_BY_SIDE:
        grouped = [row for item in differing.items() for row in _grouped(runs, *item)]
        return Table((path, Column("", "left", shortens=True), Column("runs", "left")), grouped)
    columns = (path, *(Column(run.label, shortens=True) for run in runs))
    rows = [[path, *(value or "–" for value in values)] for path, values in differing.items()]
    return Table(columns, rows)


def _grouped(runs: Sequence[_Run], path: str, values: Sequence[str | None]) -> list[list[Piece]]:
    """A row for each value with the runs that have it."""
    rows: list[list[Piece]] = []
    for value in dict.fromkeys(values):
        labels = [run.label for run, own in zip(runs, values, strict=True) if own == value]
        rows.append(["" if rows else path, value or "–", ", ".join(labels)])
    return rows


def _data(runs: Sequence[_Run], differing: dict[str, list[str | None]]) -> dict[str, Any]:
    return {
        "runs": [
            {
                "run": run.path,
                "reason": run.summary.get("reason"),
                "epochs": run.summary.get("epochs"),
                "steps": run.summary.get("steps"),
                "best": run.summary.get("best"),
                **{part: run.summary[part] for part in PARTS if part in run.summary},
            }
            for run in runs
        ],
        "differences": differing,
    }
