"""How gradients flow, and what is wrong: a diagnosis for people and for programs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

from bpcli.diagnosis.diagnosis import Diagnosis, LayerFlow
from bpcli.diagnosis.finding import Finding, Severity
from bpcli.report.bars import LogarithmicScale
from bpcli.report.document import (
    Block,
    Column,
    Document,
    Lines,
    Piece,
    Span,
    Style,
    Table,
)
from bpcli.report.headline import headline
from bpcli.report.layout import DIVIDER
from bpcli.report.places import spec_places, where
from bpcli.report.text import plural, scientific, shorten, width

_WIDTH = 80
_BAR, _SHORTEST_BAR = 22, 12  # columns; it gives way to long names of layers
_BESIDE_BAR = 50  # columns of the table besides the bars and the names
_MOST_ROWS = 24  # of the table; of a deeper network, first layers beside the trunk are left out
_AS_WELL = 0.95  # of a plain network's score above chance: the rest is noise
_STYLES: dict[Severity, Style] = {"error": "bad", "warning": "warning", "info": "accent"}
Row = list[Piece]


def diagnosis_report(
    diagnosis: Diagnosis, opening: Iterable[Block] = (), *, hints: Sequence[str] = ()
) -> Document:
    """``opening`` blocks, the layers, the slopes and the findings, gravest first."""
    blocks: list[Block] = list(opening)
    if diagnosis.layers:
        blocks += [*_layer_table(diagnosis), Lines(tuple(_slopes(diagnosis)))]
    blocks += [Lines(tuple(_finding(finding))) for finding in diagnosis.findings]
    blocks.append(Lines((_conclusion(diagnosis),)))
    if hints:
        blocks.append(Lines(tuple(hints)))
    return Document(blocks, diagnosis.as_json())


def subject_headline(diagnosis: Diagnosis) -> Lines:
    """Which network of which size on which data was diagnosed."""
    subject = diagnosis.evidence.subject
    assert subject is not None
    return headline(subject.spec, subject.network.chain, subject.description)


def record_headline(diagnosis: Diagnosis, name: str) -> Lines:
    """runs/digits/1 · 40 recorded steps, 1 to 450: how much a run or a log tells."""
    (lines,) = diagnosis.evidence.runs
    facts = [plural(len(lines), "recorded step")]
    if len(lines) > 1:
        facts[0] += f", {lines[0]['step']:,} to {lines[-1]['step']:,}"
    if diagnosis.evidence.subject is None:
        facts.insert(0, plural(len(diagnosis.evidence.layers), "layer"))
    return Lines(((Span(name, "strong"), *(f" · {fact}" for fact in facts)),))


# the layers


def _layer_table(diagnosis: Diagnosis) -> Iterable[Block]:
    rows = list(diagnosis.layers)
    norms = [row.figures.get("delta_norm") for row in rows if row.trunk]
    expected = [row.predicted_delta_norm for row in rows if row.trunk]
    key = "delta_norm"
    if not any(norms):
        key, expected = "gradient_norm", []
        norms = [row.figures.get(key) for row in rows if row.trunk]
    upper, lower = _shown(rows)
    longest = max(width(row.name) for row in upper + lower)
    bar = max(_SHORTEST_BAR, min(_BAR, _WIDTH - _BESIDE_BAR - longest))
    scale = LogarithmicScale([*norms, *expected], bar)
    still = set(diagnosis.evidence.standing_still())
    cells = [_row(row, key, scale, still) for row in upper + lower]
    if lower:
        cells.insert(len(upper), [Span("...", "muted"), "", "", "", "", ""])
    columns = (
        Column("layer", "left", shortens=True),
        Column("‖∂L/∂z‖" if key == "delta_norm" else "‖∂L/∂θ‖"),
        Column("backward ◂", "left"),
        Column("theory"),
        Column("update:weight"),
        Column("", "left"),
    )
    filled = [n for n in range(len(columns)) if n < 3 or any(row[n] for row in map(_plain, cells))]
    yield Table(tuple(columns[n] for n in filled), [[row[n] for n in filled] for row in cells])
    left_out = len(rows) - len(upper) - len(lower)
    if left_out:
        yield Lines(
            (Span(f"{plural(left_out, 'layer')} not shown; --format json has all", "muted"),)
        )


def _plain(row: Row) -> list[str]:
    return [cell.text if isinstance(cell, Span) else cell for cell in row]


def _shown(rows: list[LayerFlow]) -> tuple[list[LayerFlow], list[LayerFlow]]:
    """The rows above and below those that are left out; the second part is empty if none are."""
    if len(rows) > _MOST_ROWS:
        rows = [row for row in rows if row.trunk]
    if len(rows) <= _MOST_ROWS:
        return rows, []
    half = _MOST_ROWS // 2
    return rows[:half], rows[-half:]


def _row(row: LayerFlow, key: str, scale: LogarithmicScale, still: set[str]) -> Row:
    value = row.figures.get(key)
    bar: Piece = scale.bar(value, row.predicted_delta_norm if key == "delta_norm" else None)
    if not row.trunk:
        bar = Span("", "muted")
    return [
        row.name,
        _number(value),
        bar,
        Span(_number(row.predicted_delta_norm), "muted"),
        _number(row.figures.get("update_ratio")),
        _note(row, still),
    ]


def _note(row: LayerFlow, still: set[str]) -> Piece:
    if row.name in still:
        return Span("stands still", "warning")
    for key, word in (("dead_units", "dead"), ("saturated", "saturated")):
        share = row.figures.get(key)
        if share is not None and share >= 0.5:
            return Span(f"{share:.0%} {word}", "warning")
    return ""


def _number(value: float | None) -> str:
    return "" if value is None else scientific(value)


def _slopes(diagnosis: Diagnosis) -> Iterable[Piece | Sequence[Piece]]:
    flow = diagnosis.flow
    gradient, theory, depth = flow.gradient, flow.predicted_gradient_slope, depth_of(diagnosis)
    if gradient is not None and math.isfinite(gradient.slope):
        error = f" ± {gradient.error:.2f}" if math.isfinite(gradient.error) else ""
        expected = f" (theory {_signed(theory)})" if theory is not None else ""
        slope = f"gradient slope {_signed(gradient.slope)}{error}{expected}"
        yield [slope, f"{DIVIDER}{slope_in_words(gradient.slope, 'back', depth)}"]
    if flow.activation is not None and math.isfinite(flow.activation.slope):
        slope = f"signal slope   {_signed(flow.activation.slope)}"
        yield [slope, f"{DIVIDER}{slope_in_words(flow.activation.slope, 'on', depth)}"]
    training = _training(diagnosis)
    if training:
        yield f"training       {training}"


def _signed(value: float) -> str:
    rounded = f"{value:+.2f}"
    return rounded.replace("+", "") if rounded in ("+0.00", "-0.00") else rounded


def slope_in_words(slope: float, way: str, depth: int) -> str:
    """A slope in nats a layer as a factor: 4.17 times smaller a layer back.

    A little in each of many layers is much; "the same" is what less than doubles over all.
    """
    factor = math.exp(min(abs(slope), 700))
    if factor < 1.05 and abs(slope) * depth < math.log(2):
        return "the same in all layers"
    digits = f"{factor:.3g}" if factor >= 1.05 else f"{factor:.3f}"
    return f"{digits} times {'smaller' if slope < 0 else 'larger'} a layer {way}"


def depth_of(diagnosis: Diagnosis) -> int:
    """How many layers follow one another."""
    return sum(layer.trunk for layer in diagnosis.layers)


def _training(diagnosis: Diagnosis) -> str:
    """What it comes to; "" where nothing was trained, or nothing is known to hold it against."""
    evidence, verdict = diagnosis.evidence, diagnosis.evidence.verdict
    if verdict.share is not None and verdict.fails is not None:
        return _beside_plain_learner(verdict.share)
    if evidence.start is None or verdict.removed is None:
        return ""
    if verdict.fails is None:
        return "cannot be told yet where it leads"
    if verdict.fails:
        return "no better than chance"
    return f"{verdict.removed:.0%} of the loss of the best constant answer is gone"


def _beside_plain_learner(share: float) -> str:
    if share <= 0.02:
        return "no better than chance"
    if share < _AS_WELL:
        return f"{share:.0%} of the way from chance to a plain network's score"
    return f"{'as well as' if share <= 2 - _AS_WELL else 'better than'} a plain network"


# the findings


def _finding(finding: Finding) -> Iterable[Sequence[Piece]]:
    yield _head(finding)
    yield from _wrapped("what ", finding.message)
    explanation = finding.evidence.get("explanation")
    if explanation:
        yield from _wrapped("cause", str(explanation))
    symptoms = finding.evidence.get("symptoms")
    if symptoms:
        yield from _wrapped("hence", ", ".join(symptoms))
    if finding.remedies:
        yield from _wrapped("cure ", finding.remedies[0].description)
    yield from _wrapped("more ", f"bpcli explain {finding.code}")


def in_brief(finding: Finding) -> list[Sequence[Piece]]:
    """What and where, without cause and cure."""
    text = f"{finding.message} (bpcli explain {finding.code})"
    return [_head(finding), *([f"  {line}"] for line in _filled(text, _WIDTH - 2))]


def _head(finding: Finding) -> Sequence[Piece]:
    """BP101 error   vanishing-gradient  dense_1 to dense_9, from the start"""
    return (
        f"{finding.code} ",
        Span(f"{finding.severity:<7}", _STYLES[finding.severity]),
        " ",
        Span(finding.name, "strong"),
        f"  {shorten(where(finding), _WIDTH - 16 - len(finding.name))}",
    )


def _wrapped(title: str, text: str) -> Iterable[Sequence[Piece]]:
    for number, line in enumerate(_filled(text, _WIDTH - 9)):
        yield (Span(f"  {title if number == 0 else '     '}  ", "muted"), line)


def _filled(text: str, columns: int) -> list[str]:
    lines = textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)
    return [shorten(line, columns) for line in lines]


def _conclusion(diagnosis: Diagnosis) -> Piece:
    if not diagnosis.findings:
        return Span("no findings", "good")
    counts = {
        severity: sum(finding.severity == severity for finding in diagnosis.findings)
        for severity in ("error", "warning", "info")
    }
    words = {"error": "error", "warning": "warning", "info": "remark"}
    return ", ".join(plural(count, words[name]) for name, count in counts.items() if count)


# annotations


def github_annotations(diagnosis: Diagnosis, file: str) -> str:
    """A workflow command of GitHub Actions for each finding, at its layer's line of the spec."""
    commands = {"error": "error", "warning": "warning", "info": "notice"}
    lines = []
    for finding in diagnosis.findings:
        at = f"file={_property(file)}"
        for line, column in spec_places(diagnosis, finding)[:1]:
            at += f",line={line},col={column}"
        title = _property(f"{finding.code} {finding.name}")
        lines.append(
            f"::{commands[finding.severity]} {at},title={title}::{_data(finding.message)}\n"
        )
    return "".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
