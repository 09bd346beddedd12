"""The ideas behind the findings, a short page each, as `bpcli explain` shows them. An idea of the
name of a finding becomes a part of that one's page.

A page is a Markdown file beside this one: a title `# NAME: summary`, paragraphs, and the sections
Formula, Try (a whole spec, and a command that reads it from standard input) and References.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_ORDER = (
    "chain-rule", "backpropagation-through-time", "vanishing-gradient", "exploding-gradient",
    "initialisation", "normalisation", "residual-connections", "update-ratio", "gradient-check",
)  # fmt: skip


@dataclass(frozen=True)
class Idea:
    """One page, its parts as plain text."""

    name: str
    summary: str
    text: str  # paragraphs
    formula: str
    spec: str  # YAML
    command: str  # with `-` for the spec
    references: tuple[str, ...]


@cache
def ideas() -> tuple[Idea, ...]:
    """All pages, in the order in which one would read them."""
    return tuple(
        parse_idea((files(__name__) / f"{name}.md").read_text(encoding="utf-8")) for name in _ORDER
    )


def find_idea(wanted: str) -> Idea | None:
    """The idea of that name, spelt with s or z."""
    name = wanted.lower().replace("ization", "isation")
    return next((idea for idea in ideas() if idea.name == name), None)


def parse_idea(page: str) -> Idea:
    """The parts of a page; raises ValueError where one is missing."""
    head, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    title, _, text = head.removeprefix("# ").partition("\n")
    name, _, summary = title.partition(": ")
    bodies = {section.partition("\n")[0]: section.partition("\n")[2] for section in sections}
    if list(bodies) != ["Formula", "Try", "References"]:
        raise ValueError(f"{name}: expected the sections Formula, Try and References")
    blocks = re.findall(r"^```\w+\n(.*?)^```$", bodies["Try"], re.DOTALL | re.MULTILINE)
    spec, command = blocks
    (formula,) = re.findall(r"^```text\n(.*?)^```$", bodies["Formula"], re.DOTALL | re.MULTILINE)
    items = re.findall(r"^- (.*(?:\n  .*)*)$", bodies["References"], re.MULTILINE)
    references = tuple(" ".join(item.split()) for item in items)
    return Idea(name, summary, text.strip(), formula, spec, command.strip(), references)
