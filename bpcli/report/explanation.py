"""What `bpcli explain` says of a rule; the docs are made from the same text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from bpcli.diagnosis.rules import RULES, Rule
from bpcli.report.document import Block, Column, Document, Lines, Piece, Span, Table

_WIDTH = 80


def rules_table() -> Document:
    """All findings that there are."""
    rows: list[list[Piece]] = [
        [rule.code, Span(rule.name, "strong"), rule.summary] for rule in RULES
    ]
    columns = (Column("code", "left"), Column("name", "left"), Column("what", "left"))
    data = [{"code": r.code, "name": r.name, "summary": r.summary} for r in RULES]
    return Document([Table(columns, rows)], {"findings": data})


def explanation(rule: Rule) -> Document:
    """One finding: what it is, why it matters, an example, the cure, where to read on."""
    text = rule.explanation
    blocks: list[Block] = [
        Lines(((f"{rule.code} ", Span(rule.name, "strong"), f"  {rule.summary}"),))
    ]
    for title, body in (("What", text.what), ("Why it matters", text.why)):
        blocks.append(_section(title, _filled(body)))
    blocks.append(_section("Example", [f"    {line}" for line in text.example.splitlines()]))
    blocks.append(_section("Cure", _filled(text.cure)))
    blocks.append(_section("Reference", _filled(text.reference)))
    data = {"code": rule.code, "name": rule.name, "summary": rule.summary, **text._asdict()}
    return Document(blocks, data)


def _section(title: str, lines: Iterable[str]) -> Lines:
    content: list[Piece | Sequence[Piece]] = [Span(title, "accent"), *lines]
    return Lines(tuple(content))


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text.replace("\n", " "), _WIDTH)


def markdown() -> str:
    """The page of all findings in the docs."""
    parts = []
    for rule in RULES:
        text = rule.explanation
        parts.append(
            f"## {rule.code} {rule.name}\n\n{text.what}\n\n**Why it matters.** {text.why}\n\n"
            f"```yaml\n{text.example}\n```\n\n**Cure.** {text.cure}\n\n"
            f"**Reference.** {text.reference}\n"
        )
    return "\n".join(parts)
