"""The page of all findings in the docs, from the rules' own explanations and the thresholds.

python -m bpcli.report.reference > docs/findings.md
"""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.diagnosis.rules import RULES, Rule
from bpcli.diagnosis.thresholds import reasons

_OPENING = """\
# The findings

<!-- made by `python -m bpcli.report.reference`: change the rules, not this page -->

What `bpcli diagnose` can find, by code. `bpcli explain CODE` shows one of these on the terminal.
How findings are judged is told in [diagnose.md](diagnose.md).
"""
_THRESHOLDS = """\
## Thresholds

All that the rules compare with, from `bpcli/diagnosis/thresholds.py`. A spec may set them by name:
`diagnosis: {thresholds: {dead_share: 0.7}}`. A nat is a factor of e in a ratio.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_OPENING, *map(_rule, RULES), _THRESHOLDS, *_thresholds()])


def _rule(rule: Rule) -> str:
    text = rule.explanation
    language = "python" if text.example.startswith("def ") else "yaml"
    return (
        f"## {rule.code} {rule.name}\n\n{_sentence(rule.summary)} {text.what}\n\n"
        f"**Why it matters.** {text.why}\n\n```{language}\n{text.example}\n```\n\n"
        f"**Cure.** {text.cure}\n\n**Reference.** {text.reference}\n"
    )


def _sentence(text: str) -> str:
    return f"*{text[0].upper()}{text[1:]}.*"


def _thresholds() -> Iterator[str]:
    yield "| name | value | why |\n| --- | --- | --- |"
    for name, (value, reason) in reasons().items():
        yield f"| `{name}` | {value:g} | {reason} |"
    yield ""


if __name__ == "__main__":
    print(reference(), end="")
