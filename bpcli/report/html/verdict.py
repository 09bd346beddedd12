"""The sentence at the head of a page, and what the findings of a diagnosis say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.finding import Finding, Remedy
from bpcli.diagnosis.rules import find_rule
from bpcli.report.html.charts import number, table
from bpcli.report.places import spec_places, where
from bpcli.report.text import plural

_AROUND = 1  # lines of a spec that are shown before and after one that a finding points at
_MOST_POINTED = 12
_KINDS = {"error": "bad", "warning": "warn", "info": "good"}


def verdict(kind: str, text: str) -> str:
    """``kind``: good, warn or bad."""
    return f'<p class="verdict {kind}">{escape(text)}</p>'


def verdict_of(findings: Sequence[Finding], healthy: str) -> str:
    """By the gravest of the findings; ``healthy`` where there is none."""
    if not findings:
        return verdict("good", healthy)
    names = ", ".join(dict.fromkeys(finding.name for finding in findings))
    count = plural(len(findings), "finding")
    return verdict(_KINDS[findings[0].severity], f"{count}: {names}")


def findings_of(diagnosis: Diagnosis, spec_text: str = "") -> str:
    """Each finding with its cause and cures, the lines it points at, and its explanation."""
    lines = spec_text.splitlines()
    return "".join(
        _finding(finding, _pointed(lines, [p.line for p in spec_places(diagnosis, finding)]))
        for finding in diagnosis.findings
    )


def _finding(finding: Finding, lines: str) -> str:
    evidence = finding.evidence
    said = [("Cause", evidence.get("explanation")), ("Hence", ", ".join(_symptoms(evidence)))]
    paragraphs = "".join(
        f"<p><strong>{title}.</strong> {escape(str(text))}</p>" for title, text in said if text
    )
    return (
        f'<div class="finding {finding.severity}"><h3>{escape(finding.code)} '
        f'{escape(finding.name)} <span class="tag">{finding.severity}</span></h3>'
        f'<p class="sub">{escape(where(finding))}</p><p>{escape(finding.message)}</p>{paragraphs}'
        f"{_cures(finding.remedies)}{lines}{_figures(finding)}{_explanation(finding)}</div>"
    )


def _symptoms(evidence: dict[str, object]) -> list[str]:
    symptoms = evidence.get("symptoms")
    return [str(each) for each in symptoms] if isinstance(symptoms, list) else []


def _cures(remedies: Sequence[Remedy]) -> str:
    if not remedies:
        return ""
    items = "".join(f"<li>{escape(remedy.description)}</li>" for remedy in remedies[:4])
    return f"<p><strong>Cures to try</strong></p><ol>{items}</ol>"


def _figures(finding: Finding) -> str:
    rows = [
        [name.replace("_", " "), number(float(value))]
        for name, value in finding.evidence.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ]
    if not rows:
        return ""
    return f"<details><summary>The figures it rests on</summary>{table(['', ''], rows)}</details>"


def _explanation(finding: Finding) -> str:
    rule = find_rule(finding.code)
    if rule is None:
        return ""
    text = rule.explanation
    parts = (("", text.what), ("Why it matters", text.why), ("Cure", text.cure),
             ("Reference", text.reference))  # fmt: skip
    said = "".join(
        f"<p>{f'<strong>{title}.</strong> ' if title else ''}{escape(body)}</p>"
        for title, body in parts
    )
    return f"<details><summary>What it means</summary>{said}</details>"


# the spec


def _pointed(lines: Sequence[str], pointed: Sequence[int]) -> str:
    """An excerpt with the numbers of its lines, those that are pointed at marked."""
    pointed = [line for line in pointed if line <= len(lines)][:_MOST_POINTED]
    if not pointed:
        return ""
    around = {n for line in pointed for n in range(line - _AROUND, line + _AROUND + 1)}
    shown = [n for n in sorted(around) if 1 <= n <= len(lines)]
    text = "\n  ⋮\n".join(
        "\n".join(_numbered(lines, n, pointed=n in pointed) for n in stretch)
        for stretch in _stretches(shown)
    )
    return f'<pre tabindex="0" aria-label="lines of the spec">{text}</pre>'


def _numbered(lines: Sequence[str], line: int, *, pointed: bool) -> str:
    text = f"{'▸' if pointed else ' '} {line:>3}  {escape(lines[line - 1])}"
    return f"<mark>{text}</mark>" if pointed else text


def _stretches(numbers: Sequence[int]) -> Iterator[list[int]]:
    """1 2 3, 7 8 of 1 2 3 7 8."""
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        yield [number for _, number in group]
