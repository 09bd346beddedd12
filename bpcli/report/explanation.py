"""What `bpcli explain` says of a rule or an idea; the docs are made from the same text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from bpcli.diagnosis.rules import RULES, Rule
from bpcli.diagnosis.rules.wrong_gradient import WrongGradient
from bpcli.ideas import Idea, find_idea, ideas
from bpcli.report.document import Block, Column, Document, Lines, Piece, Span, Table

_WIDTH = 80
_REST = """\
data: {generate: {blobs: {samples: 600, classes: 10}}, split: {validation: 0.2}}
network: [{dense: 64}, relu, {dense: 10}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.001}}
training: {epochs: 20}
"""


def contents() -> Document:
    """All findings and ideas that there are."""
    findings: list[list[Piece]] = [
        [rule.code, Span(rule.name, "strong"), rule.summary] for rule in RULES
    ]
    known = {rule.name for rule in RULES}
    others = [idea for idea in ideas() if idea.name not in known]
    pages: list[list[Piece]] = [[Span(idea.name, "strong"), idea.summary] for idea in others]
    data = {
        "findings": [{"code": r.code, "name": r.name, "summary": r.summary} for r in RULES],
        "ideas": [{"name": idea.name, "summary": idea.summary} for idea in others],
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
    paragraphs = [_filled(paragraph) for _, paragraph in _parts(idea)]
    blocks: list[Block] = [Lines(((Span(idea.name, "strong"), f"  {idea.summary}"),))]
    blocks += [Lines(tuple(lines)) for lines in paragraphs]
    blocks += [*_to_try(idea), _section("References", _references(idea))]
    return Document(blocks, dict(vars(idea)))


def _to_try(idea: Idea) -> list[Block]:
    return [
        _section("Formula", _indented(idea.formula)),
        _section("Try", _indented(idea.spec)),
        _command(idea.name, idea.command),
    ]


def _command(name: str, command: str) -> Lines:
    return Lines((f"  bpcli explain {name} --spec |", f"    {command}"))


def whole_spec(rule: Rule) -> str | None:
    """The example of a finding with all that it leaves out; None where no spec shows it."""
    idea, example = find_idea(rule.name), rule.explanation.example
    if idea is not None:
        return idea.spec
    if rule.name == WrongGradient.name:  # it takes a layer of one's own
        return None
    given = {line.partition(":")[0] for line in example.splitlines() if line[0] not in " -"}
    rest = [line for line in _REST.splitlines() if line.partition(":")[0] not in given]
    return "\n".join([*rest, example, ""])


def _references(idea: Idea) -> list[str]:
    return [
        line
        for reference in idea.references
        for line in textwrap.wrap(reference, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    ]


def _indented(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.splitlines()]


def explanation(rule: Rule) -> Document:
    """One finding: what it is, why it matters, an example, the cure, where to read on; with the
    formula and the spec to run of the idea of the same name, where there is one."""
    text, idea = rule.explanation, find_idea(rule.name)
    blocks: list[Block] = [
        Lines(((f"{rule.code} ", Span(rule.name, "strong"), f"  {rule.summary}"),))
    ]
    sections = [("What", text.what), ("Why it matters", text.why)]
    if idea is not None:
        sections += [("How it comes about" if n == 0 else "", part) for n, part in _parts(idea)]
    blocks += [_section(title, _filled(body)) for title, body in sections]
    if idea is not None:
        blocks += _to_try(idea)
    else:
        blocks.append(_section("Example", _indented(text.example)))
        if whole_spec(rule) is not None:
            blocks.append(_command(rule.name, "bpcli diagnose -"))
    blocks.append(_section("Cure", _filled(text.cure)))
    references = _references(idea) if idea is not None else _filled(text.reference)
    blocks.append(_section("References" if idea is not None else "Reference", references))
    data = {"code": rule.code, "name": rule.name, "summary": rule.summary, **text._asdict()}
    if idea is not None:
        data |= {"formula": idea.formula, "spec": idea.spec, "command": idea.command}
    return Document(blocks, data)


def _parts(idea: Idea) -> Iterable[tuple[int, str]]:
    return enumerate(idea.text.split("\n\n"))


def _section(title: str, lines: Iterable[str]) -> Lines:
    heading = [Span(title, "accent")] if title else []
    return Lines((*heading, *lines))


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text.replace("\n", " "), _WIDTH)
