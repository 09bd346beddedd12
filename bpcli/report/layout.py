"""Blocks of a document as lines of text, for a number of columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bpcli.report.document import (
    Block,
    Column,
    Document,
    Fields,
    Line,
    Piece,
    Span,
    Table,
    spans,
)
from bpcli.report.text import printable, shorten, width

DIVIDER = " · "  # between facts on one line
_GAP = "  "
_LEAST = 6  # columns that a shortened cell keeps


def lay_out(document: Document, columns: int) -> list[Line]:
    """The document's lines; tables give way where they can, other lines may be longer."""
    lines: list[Line] = []
    for block in document.blocks:
        if lines:
            lines.append(())
        lines += lay_out_block(block, columns)
    return lines


def lay_out_block(block: Block, columns: int) -> list[Line]:
    if isinstance(block, Table):
        return list(_table(block, columns))
    if isinstance(block, Fields):
        return list(_fields(block))
    return [part for line in block.lines for part in _broken(_clean(spans(line)), columns)]


def plain(lines: Sequence[Line]) -> str:
    """Lines without their styles, as they are written into a file or pipe."""
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)


def crop(line: Line, columns: int) -> Line:
    """The line without what would lie beyond the columns."""
    cropped: list[Span] = []
    for span in line:
        left = columns - sum(width(part.text) for part in cropped)
        cropped.append(Span(shorten(span.text, left), span.style))
        if width(span.text) > left:
            break
    return tuple(cropped)


def _broken(line: Line, columns: int) -> Iterator[Line]:
    """The line, broken before a " · " where it would be too long."""
    parts: list[Span] = []
    for span in line:
        too_long = sum(width(part.text) for part in (*parts, span)) > columns
        if parts and too_long and span.text.startswith(DIVIDER):
            yield tuple(parts)
            parts = [Span("  " + span.text.removeprefix(DIVIDER), span.style)]
        else:
            parts.append(span)
    yield tuple(parts)


def _clean(line: Line) -> Line:
    return tuple(Span(printable(span.text).replace("\n", "\\n"), span.style) for span in line)


def _fields(block: Fields) -> Iterator[Line]:
    names = max((width(name) for name, _ in block.pairs), default=0)
    for name, value in block.pairs:
        yield _clean((Span(f"{name:<{names}}{_GAP}", "muted"), *spans(value)))


def _table(table: Table, columns: int) -> Iterator[Line]:
    titles = [Span(column.title, "muted") for column in table.columns]
    body = [[_cell(cell) for cell in row] for row in table.rows]
    footer = [[_cell(cell) for cell in row] for row in table.footer]
    everything = [titles, *body, *footer]
    widths = [max(width(row[n].text) for row in everything) for n in range(len(titles))]
    _fit(widths, table.columns, columns)
    if any(column.title for column in table.columns):
        yield _row(titles, table.columns, widths)
    yield from (_row(row, table.columns, widths) for row in body)
    if footer:
        yield (Span("─" * (sum(widths) + len(_GAP) * (len(widths) - 1)), "muted"),)
        yield from (_row(row, table.columns, widths) for row in footer)


def _cell(content: Piece) -> Span:
    (span,) = _clean(spans(content))
    return span


def _fit(widths: list[int], columns: Sequence[Column], available: int) -> None:
    """Takes from the widest of the columns that may shorten until all fit, or none can give."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - available
    flexible = [n for n, column in enumerate(columns) if column.shortens]
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda n: widths[n])
        if widths[widest] <= _LEAST:
            return
        widths[widest] -= 1
        excess -= 1


def _row(cells: Sequence[Span], columns: Sequence[Column], widths: Sequence[int]) -> Line:
    row: list[Span] = []
    for span, column, columns_wide in zip(cells, columns, widths, strict=True):
        text = shorten(span.text, columns_wide, at_start=column.shortens == "at start")
        space = " " * (columns_wide - width(text))
        gap = _GAP if row else ""
        row.append(
            Span(gap + (text + space if column.align == "left" else space + text), span.style)
        )
    return tuple(row)
