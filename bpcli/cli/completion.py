"""What the shell completes besides commands, options and files: names that bpcli knows.

Each function is asked by click while a command line is typed; it must be quick and never fails.
"""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

_MOST_FILES = 200


def complete_findings(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Codes and names of findings, with what they are."""
    from bpcli.diagnosis.rules import RULES

    words = [(word, rule.summary) for rule in RULES for word in (rule.code, rule.name)]
    return _matching(words, incomplete)


def complete_explained(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Findings and ideas."""
    from bpcli.ideas import ideas

    findings = complete_findings(context, parameter, incomplete)
    known = {item.value for item in findings}
    pages = [(idea.name, idea.summary) for idea in ideas() if idea.name not in known]
    return [*findings, *_matching(pages, incomplete)]


def complete_units(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """`dense_1.` for each layer of the SPEC that was typed before."""
    return _matching([(f"{name}.", "") for name in _layers(context)], incomplete)


def complete_layers(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The layers of the SPEC that was typed before."""
    return _matching([(name, "") for name in _layers(context)], incomplete)


def _layers(context: click.Context) -> list[str]:
    """Of the SPEC that was typed; none where it cannot be read."""
    from bpcli.build import check
    from bpcli.data import describe
    from bpcli.errors import BpcliError
    from bpcli.spec import load_spec

    # an option that still lacks its value leaves the arguments before it unparsed
    path = context.params.get("path") or next(iter(context.args), None)
    if not path or path == "-":
        return []
    try:
        spec = load_spec(path)
        chain = check(spec, describe(spec))
    except BpcliError:
        return []
    return [node.layer.path for node in chain.walk()] if chain is not None else []


def complete_specs(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """YAML files here and one folder down; where there are none, whatever files the shell finds."""
    start = Path(incomplete.rpartition("/")[0] or ".")
    found = sorted({*start.glob("*.y*ml"), *start.glob("[!.]*/*.y*ml")})[:_MOST_FILES]
    specs = _matching([(str(path), "") for path in found], incomplete.removeprefix("./"))
    return specs or [CompletionItem(incomplete, type="file")]


def _matching(words: list[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(word, help=text or None)
        for word, text in words
        if word.lower().startswith(incomplete.lower())
    ]
