"""A document: what a command has to say, before anybody decides how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Style = Literal["plain", "strong", "muted", "good", "warning", "bad", "accent"]


class Span(NamedTuple):
    """A piece of text in one style."""

    text: str
    style: Style = "plain"


Piece = Span | str
Line = tuple[Span, ...]


@dataclass(frozen=True)
class Lines:
    """Lines as they are; a line is a piece or several."""

    lines: tuple[Piece | Sequence[Piece], ...]


@dataclass(frozen=True)
class Column:
    """A column's title and alignment; ``shortens``: gives way where the screen is narrow, at the
    end of its cells or, like a path whose end tells most, at their start."""

    title: str
    align: Literal["left", "right"] = "right"
    shortens: bool | Literal["at start"] = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under titles; ``footer`` rows stand below a rule."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Piece]]
    footer: Sequence[Sequence[Piece]] = ()


@dataclass(frozen=True)
class Fields:
    """Names and their values, one a line; a name may be empty to go on under the one before."""

    pairs: Sequence[tuple[str, Piece | Sequence[Piece]]]


Block = Lines | Table | Fields


@dataclass(frozen=True)
class Document:
    """Blocks for people, an empty line between them; ``data`` for programs."""

    blocks: Sequence[Block]
    data: dict[str, Any] = field(default_factory=dict)


def spans(content: Piece | Sequence[Piece]) -> Line:
    """A piece, or several, as a line."""
    pieces: Sequence[Piece] = [content] if isinstance(content, str | Span) else content
    return tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces)
