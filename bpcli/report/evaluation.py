"""How well a trained network does."""

from __future__ import annotations

from collections.abc import Mapping

from bpcli.report.document import Document, Lines, Span
from bpcli.report.figures import Figures, parts_table
from bpcli.report.text import plural


def evaluation_report(
    run: str, epoch: int, steps: int, parts: Mapping[str, Figures], sizes: Mapping[str, int]
) -> Document:
    """A row for each part of the data that was measured."""
    weights = f" · weights of epoch {epoch}, step {steps:,}"
    notes = {part: plural(size, "example") for part, size in sizes.items()}
    blocks = (Lines(((Span(run, "strong"), weights),)), parts_table(parts, notes))
    data = {"run": run, "epoch": epoch, "steps": steps, **parts}
    return Document(blocks, data | {"examples": dict(sizes)})
