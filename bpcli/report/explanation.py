"""What `bpcli explain` says of a rule or an idea; the docs are made from the same text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from bpcli.diagnosis.rules import RULES, Rule
from bpcli.ideas import Idea, ideas
from bpcli.report.document import Block, Column, Document, Lines, Piece, Span, Table

_WIDTH = 80


def contents() -> Document:
    """All findings and ideas that there are."""
    findings: list[list[Piece]] = [
        [rule.code, Span(rule.name, "strong"), rule.summary] for rule in RULES
    ]
    pages: list[list[Piece]] = [[Span(idea.name, "strong"), idea.summary] for idea in ideas()]
    data = {
        "findings": [{"code": r.code, "name": r.name, "summary": r.summary} for r in RULES],
        "ideas": [{"name": idea.name, "summary": idea.summary} for idea in ideas()],
    }
    titles = (Column("code", "left"), Column("finding", "left"), Column("", "left", shortens=True))
    return Document(
        [
            Table(titles, findings),
            Table((Column("idea", "left"), Column("", "left", shortens=True)), pages),
        ],
        data,
    )


def idea_page(idea: Idea) -> Document:
    """One idea: what it is, its formula, a spec to run, where to read on."""
    paragraphs = [_filled(paragraph) for paragraph in idea.text.split("\n\n")]
    blocks: list[Block] = [Lines(((Span(idea.name, "strong"), f"  {idea.summary}"),))]
    blocks += [Lines(tuple(lines)) for lines in paragraphs]
    blocks.append(_section("Formula", _indented(idea.formula)))
    blocks.append(_section("Try", _indented(idea.spec)))
    blocks.append(Lines((f"  bpcli explain {idea.name} --spec |", f"    {idea.command}")))
    blocks.append(_section("References", _references(idea)))
    return Document(blocks, dict(vars(idea)))


def _references(idea: Idea) -> list[str]:
    return [
        line
        for reference in idea.references
        for line in textwrap.wrap(reference, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    ]


def _indented(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.splitlines()]


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
