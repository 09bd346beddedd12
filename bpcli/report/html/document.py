"""Blocks of a document in HTML, as the terminal shows them in text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from bpcli.report.document import Block, Fields, Lines, Piece, Span, Table, spans
from bpcli.report.html.charts import row_heading


def blocks(content: Iterable[Block]) -> str:
    """One after another."""
    return "".join(map(_block, content))


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Fields):
        return _fields(block)
    return f'<div class="lines">{"".join(f"<p>{inline(line)}</p>" for line in block.lines)}</div>'


def inline(content: Piece | Sequence[Piece]) -> str:
    """A line's pieces, each in its style."""
    return "".join(map(_styled, spans(content)))


def text_of(block: Lines) -> str:
    """The lines without their styles, joined."""
    return " ".join("".join(span.text for span in spans(line)) for line in block.lines)


def _styled(span: Span) -> str:
    text = escape(span.text)
    return text if span.style == "plain" else f'<span class="{span.style}">{text}</span>'


def _table(table: Table) -> str:
    titles = "".join(
        f'<th scope="col" class="{column.align}">{escape(column.title)}</th>'
        for column in table.columns
    )
    rows = "".join(_row(table, row) for row in table.rows)
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(table: Table, row: Sequence[Piece]) -> str:
    first, *others = row
    cells = (
        f'<td class="{column.align}">{inline(cell)}</td>'
        for column, cell in zip(table.columns[1:], others, strict=True)
    )
    text = "".join(span.text for span in spans(first))
    return f"<tr>{row_heading(text, inline(first))}{''.join(cells)}</tr>"


def _fields(fields: Fields) -> str:
    """A name without a text of its own goes on under the one before."""
    rows = (
        f"<dt>{escape(name)}</dt><dd>{inline(value)}</dd>" if name else f"<dd>{inline(value)}</dd>"
        for name, value in fields.pairs
    )
    return f"<dl>{''.join(rows)}</dl>"
