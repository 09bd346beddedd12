"""What `gradcheck` says: a row for each gradient, then what is wrong and what it looks like."""

from __future__ import annotations

from collections.abc import Iterator

from bpcli.gradcheck import Result, TensorResult
from bpcli.report.document import (
    Block,
    Column,
    Document,
    Fields,
    Line,
    Lines,
    Piece,
    Span,
    Style,
    Table,
)
from bpcli.report.gradcheck_faults import details
from bpcli.report.text import duration, plural, scientific, shape, shorten

_VERDICTS: dict[str, Span] = {
    "pass": Span("pass", "good"),
    "fail": Span("FAIL", "bad"),
    "inconclusive": Span("inconclusive", "warning"),
}
_VALUES = 80 - len("derivatives  ")  # columns that are left for a value
_METHODS = {"complex": "complex steps", "central": "central differences, extrapolated"}


def gradcheck_report(headline: Lines, result: Result) -> Document:
    """For people, with the contract's JSON for programs."""
    blocks: list[Block] = [headline]
    if result.failure is None:
        blocks.append(_table(result))
    blocks += details(result)
    if result.failure is None:
        blocks.append(Fields(tuple(_conditions(result))))
        blocks.append(Lines((_summary(result), *_why_backpropagation(result))))
    return Document(blocks, result.as_json())


def _table(result: Result) -> Table:
    tensors = [*result.parameters, *([result.inputs] if result.inputs else [])]
    counted = any(tensor.checked for tensor in tensors)  # else all are projected
    columns = (
        Column("gradient by", "left", shortens="at start"),
        Column("shape"),
        *([Column("checked")] if counted else []),
        Column("worst error"),
        Column("", "left"),
    )
    return Table(columns, [_row(tensor, counted) for tensor in tensors])


def _row(tensor: TensorResult, counted: bool) -> list[Piece]:
    checked = f"{tensor.checked:,}" if tensor.checked else "projected"
    return [
        tensor.name,
        shape(tensor.shape),
        *([checked] if counted else []),
        scientific(tensor.max_relative_error),
        _verdict(tensor),
    ]


def _verdict(tensor: TensorResult) -> Span:
    if tensor.blamed:
        return Span(f"wrong, from {tensor.blamed}", "warning")
    if tensor.verdict == "pass" and tensor.note:
        return Span(tensor.note, "good")
    return _VERDICTS[tensor.verdict]


def _conditions(result: Result) -> Iterator[tuple[str, Piece]]:
    """How it was checked."""
    for index, condition in enumerate(result.conditions):
        yield ("" if index else "checked", condition)
    if not result.every_element:
        yield from _projections(result)
    yield ("derivatives", _METHODS[result.method])
    for note in result.notes:
        yield ("", note)
    path = result.training_path
    if path is not None:
        says = "agree" if path.agrees else "DISAGREE"
        error = scientific(path.max_relative_error)
        text = f"in {path.dtype}, its gradients {says} to {error}"
        worst = f"({path.worst})" if path.worst else ""
        style: Style = "plain" if path.agrees else "bad"
        if len(f"{text} {worst}") <= _VALUES:
            yield ("training", Span(f"{text} {worst}".rstrip(), style))
        else:
            yield ("training", Span(text, style))
            yield ("", Span(f"({shorten(path.worst, _VALUES - 2, at_start=True)})", style))
    for kink in result.kinks:
        units = plural(kink.count, "output is", "outputs are")
        rest = f": {units} at one, first {list(kink.first)};"
        yield ("kinks", shorten(kink.layer, _VALUES - len(rest), at_start=True) + rest)
        says = "between" if kink.within else "OUTSIDE"
        yield ("", f"the gradient is {says} the one-sided derivatives")


def _projections(result: Result) -> Iterator[tuple[str, Piece]]:
    if not result.numerical_seconds:
        yield ("", "by signed random projections; every element without --quick")
        return
    yield ("", "by signed random projections, and a sample of elements;")
    yield ("", f"every element takes about {duration(result.numerical_seconds)}: --all")


def _summary(result: Result) -> Line:
    verdict = _VERDICTS[result.verdict]
    count = plural(len(result.parameters), "parameter")
    error = scientific(result.max_relative_error)
    if result.verdict == "pass":
        elements = f", {result.checked:,} elements" if result.checked else ""
        return (verdict, Span(f": {count}{elements}, worst relative error {error}"))
    layers = list(dict.fromkeys(fault.layer for fault in result.faults))
    if layers:
        return (verdict, Span(f": wrong by itself: {', '.join(layers)}"))
    return (verdict,)


def _why_backpropagation(result: Result) -> Iterator[str]:
    backward, numeric = result.backpropagation_seconds, result.numerical_seconds
    if backward and numeric:
        about = "" if result.every_element else "about "
        yield (
            f"backpropagation {duration(backward)}, numerically {about}{duration(numeric)}: "
            f"{numeric / backward:,.0f} times"
        )
