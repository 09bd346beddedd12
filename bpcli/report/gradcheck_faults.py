"""What is wrong with a gradient, with its numbers and what they look like."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from textwrap import wrap

from bpcli.gradcheck import Fault, Result, TensorResult
from bpcli.gradcheck.result import Worst
from bpcli.report.document import Lines, Piece, Span, Style
from bpcli.report.text import number, printable, scientific, shape, shorten

_COLUMNS = 80
_Line = Piece | tuple[Piece, ...]
_TARGETS = {"inputs": "gradient by its inputs", "inner": "gradient for the layers inside"}


def details(result: Result, columns: int = _COLUMNS) -> Iterator[Lines]:
    """A paragraph for each fault, and for each gradient that no fault accounts for; lines of so
    many columns."""
    if result.failure is not None:
        yield Lines(tuple(_failure(result, columns)))
    tensors = {tensor.name: tensor for tensor in result.parameters}
    for fault in result.faults:
        tensor = tensors.get(f"{fault.layer}.{fault.gradient}")
        yield Lines(tuple(_fault(fault, tensor, columns)))
    for each in (*result.parameters, *([result.inputs] if result.inputs else [])):
        if each.verdict != "pass" and not each.blamed and not _accounted(each, result):
            yield Lines(tuple(_tensor(each, columns)))


def _fault(fault: Fault, tensor: TensorResult | None, columns: int) -> Iterator[_Line]:
    fail = Span("FAIL", "bad")
    if not fault.gradient:
        yield from _promise(fault.layer, fault.message, columns)
    elif tensor is not None:
        yield _head(tensor.name, _counted(tensor), fail, columns)
    else:
        what = _TARGETS.get(fault.gradient, f"gradient by its {fault.gradient}")
        worst = scientific(fault.max_relative_error)
        yield _head(fault.layer, f"{what}  worst {worst}", fail, columns)
    if fault.worst is not None:
        ratio = f", ratio {number(fault.ratio)} everywhere" if fault.ratio is not None else ""
        numbers = _numbers(fault.worst)
        yield from [numbers + ratio] if len(numbers + ratio) <= columns else [
            numbers + ",", "   " + ratio.removeprefix(",")
        ]  # fmt: skip
    if fault.hint:
        yield from _hint(fault.hint, fault.unexplained, columns)
    if fault.file:
        given = ", given a right incoming gradient" if fault.gradient else ""
        yield f"  in {fault.file}:{fault.line}{given}"


def _head(name: str, what: str, verdict: Span, columns: int) -> tuple[Piece, ...]:
    """The first line; of a long name it shows the end."""
    rest = f"  {what}  "
    room = columns - len(rest + verdict.text)
    return Span(shorten(name, room, at_start=True), "strong"), rest, verdict


def _promise(layer: str, message: str, columns: int) -> Iterator[_Line]:
    """On one line, or the message below where that would be too long."""
    fail = Span("FAIL", "bad")
    if len(f"{layer}  {message}  {fail.text}") <= columns:
        yield _head(layer, message, fail, columns)
        return
    yield _head(layer, "breaks a promise", fail, columns)
    for line in wrap(message, columns - 2):
        yield f"  {line}"


def _hint(hint: str, unexplained: float, columns: int) -> Iterator[_Line]:
    known = unexplained < 1
    yield from _looks_like(hint, "accent" if known else "plain", columns)
    if known:
        yield Span(f"  which explains the numbers to {scientific(unexplained)}", "muted")


def _tensor(tensor: TensorResult, columns: int) -> Iterator[_Line]:
    failed = tensor.verdict == "fail"
    verdict = Span("FAIL", "bad") if failed else Span(tensor.verdict, "warning")
    yield _head(tensor.name, _counted(tensor), verdict, columns)
    if tensor.worst is not None:
        yield _numbers(tensor.worst)
    if failed:
        yield "  though every layer is right by itself"
    elif tensor.note:
        yield f"  {tensor.note}"
    if tensor.hint:
        yield from _looks_like(tensor.hint, "accent", columns)


def _looks_like(hint: str, style: Style, columns: int) -> Iterator[_Line]:
    first, *others = wrap(hint, columns - len("  looks like: "))
    yield ("  looks like: ", Span(first, style))
    for line in others:
        yield Span(" " * len("  looks like: ") + line, style)


def _failure(result: Result, columns: int) -> Iterator[_Line]:
    failure = result.failure
    assert failure is not None
    name = failure.layer or "a layer"
    yield _head(name, f"its {failure.method} fails", Span("FAIL", "bad"), columns)
    place = f"{failure.file}:{failure.line}: " if failure.file else ""
    for line in wrap(printable(place + failure.message), columns - 2, break_on_hyphens=False):
        yield f"  {line}"


def _counted(tensor: TensorResult) -> str:
    checked = f"{tensor.checked:,} checked  " if tensor.checked else ""
    return f"{shape(tensor.shape)}  {checked}worst {scientific(tensor.max_relative_error)}"


def _numbers(worst: Worst) -> str:
    at = f"at {list(worst.index)}" if worst.index else "along a random direction"
    yours = number(worst.analytic) if isfinite(worst.analytic) else "not finite"
    return f"  {at}: yours {yours}, derivative {number(worst.numeric)}"


def _accounted(tensor: TensorResult, result: Result) -> bool:
    return any(f"{fault.layer}.{fault.gradient}" == tensor.name for fault in result.faults)
