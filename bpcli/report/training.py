"""What a training run has come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bpcli.diagnosis.finding import Finding
from bpcli.report.diagnosis import in_brief
from bpcli.report.document import Block, Document, Fields, Lines, Span
from bpcli.report.figures import figure, parts_table
from bpcli.report.text import duration, plural

PARTS = ("train", "validation", "test")
_ENDS = {
    "finished": "",
    "early_stopping": "stopped early",
    "interrupted": "interrupted",
    "non_finite": "stopped on a value that is not finite",
}


def training_report(
    run: str,
    name: str,
    summary: dict[str, Any],
    *,
    findings: Sequence[Finding] = (),
    next_commands: Sequence[str] = (),
    seconds: float | None = None,
) -> Document:
    """From a run's `summary.json`, whether it has just been written or long ago."""
    parts = {part: summary[part] for part in PARTS if part in summary}
    data: dict[str, Any] = {
        "run": run,
        "reason": summary["reason"],
        "epochs": summary["epochs"],
        "steps": summary["steps"],
        "best": summary.get("best"),
        **parts,
        "findings": [finding.as_json() for finding in findings],
    }
    if "stopped_by" in summary:
        data["stopped_by"] = summary["stopped_by"]
    blocks: list[Block] = [Lines((_first_line(name, summary, seconds),))]
    if parts:
        blocks.append(parts_table(parts))
    blocks += [Lines(tuple(in_brief(finding))) for finding in findings]
    pairs: list[tuple[str, str]] = []
    best = summary.get("best")
    if best and parts:
        value = figure(best["metric"].partition(".")[2], best["value"])
        pairs.append(("best", f"epoch {best['epoch']}, {best['metric']} {value}"))
    pairs.append(("run", run))
    pairs += [("" if n else "next", command) for n, command in enumerate(next_commands)]
    blocks.append(Fields(pairs))
    return Document(blocks, data)


def _first_line(name: str, summary: dict[str, Any], seconds: float | None) -> list[Span | str]:
    facts = [plural(summary["epochs"], "epoch"), plural(summary["steps"], "step")]
    if seconds is not None:
        facts.append(duration(seconds))
    if end := _ENDS.get(summary["reason"], ""):
        facts.append(end)
    return [Span(name, "strong"), *(f" · {fact}" for fact in facts)]
