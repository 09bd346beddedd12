"""The worked chain rule as lines of text, plain or in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bpcli.report.document import Lines, Piece, Span
from bpcli.report.trace.document import After, Divisor, Equation, Section, Trace

_INDENT = "  "
_MOST_OUTPUTS = 10


class Writer:
    """Lines of a width, numbers of so many significant digits."""

    def __init__(self, digits: int, width: int) -> None:
        self.digits, self.width = digits, width

    def number(self, value: float) -> str:
        return f"{value + 0.0:.{self.digits}g}"  # 0 for -0

    def example(self, trace: Trace, most: int = 10) -> list[str]:
        inputs, targets = (
            self.numbers(*pair, most)
            for pair in (("inputs", trace.inputs), ("targets", trace.targets))
        )
        return [*inputs, *targets, *self.layers(trace)]

    def numbers(self, title: str, values: Sequence[float], most: int) -> list[str]:
        shown = [self.number(value) for value in values[:most]]
        if len(values) > most:
            shown.append(f"... {len(values) - most:,} more")
        return self.wrapped(f"{title:<9}", shown, "  ")

    def wrapped(self, start: str, parts: Sequence[str], joint: str) -> list[str]:
        """The parts one after another, broken before a joint where a line would be too long."""
        lines, line = [], start
        for index, part in enumerate(parts):
            piece = part if index == 0 else joint + part
            if index and len(line) + len(piece) > self.width:
                lines.append(line)
                line = _INDENT * 3 + piece.lstrip()
            else:
                line += piece
        return [one.rstrip() for one in (*lines, line)]

    def equation(self, equation: Equation) -> list[str]:
        """left = products = value, on as many lines as it takes."""
        terms = [self.term(product, first=not n) for n, product in enumerate(equation.products)]
        if equation.left_out:  # beside its like, before a bias
            rest = f"{self.term((equation.rest,), first=False)} ({equation.left_out:,} more)"
            alike = sum(len(product) > 1 for product in equation.products)
            terms.insert(alike or len(terms), rest)
        left, value = f"{_INDENT}{equation.left} = ", self.number(equation.value)
        if equation.divisor is not None:
            terms[-1] += f" / {self.divisor(equation.divisor)}"
        itself = equation.products == ((equation.value,),) and equation.divisor is None
        if not terms or (itself and not equation.function and not equation.left_out):
            return [left + value]
        if equation.function:
            terms = self.applied(equation, terms)
        if terms[-1].startswith(" = "):  # of a function: what it makes of the sum stays with it
            return self.wrapped(left, [*terms[:-1], f"{terms[-1]} = {value}"], "")
        whole = f"{left}{''.join(terms)} = {value}"
        if len(whole) <= self.width:
            return [whole]
        return [*self.wrapped(left, terms, ""), f"{_INDENT * 3}= {value}"]

    def term(self, product: Sequence[float], *, first: bool) -> str:
        """A product with its sign, which is that of its first factor: `` - 0.5 × 0.25``."""
        if first:
            return " × ".join([self.number(product[0]), *map(self.factor, product[1:])])
        sign = " - " if math.copysign(1, product[0]) < 0 else " + "  # p - 0 as well as p - 1
        return sign + " × ".join([self.number(abs(product[0])), *map(self.factor, product[1:])])

    def factor(self, value: float) -> str:
        return f"({self.number(value)})" if value < 0 else self.number(value)

    def applied(self, equation: Equation, terms: list[str]) -> list[str]:
        """function(terms), and function(their sum) where that is worked out first."""
        f, last = equation.function, f"{terms[-1]})"
        if len(terms) == 1:
            return [f"{f}({last}"]
        found = [f"{f}({terms[0]}", *terms[1:-1], last]
        if any(len(product) > 1 for product in equation.products):
            found.append(f" = {f}({self.number(math.fsum(equation.terms))})")
        return found

    def divisor(self, divisor: Divisor) -> str:
        number = ("√" if divisor.root else "") + self.number(divisor.number)
        return f"({number} + {self.number(divisor.plus)})" if divisor.plus else number

    def section(self, section: Section) -> Iterator[str]:
        parts = section.formula.split("; ")
        words = [f"{part};" for part in parts[:-1]] + parts[-1:]
        if max(map(len, words)) > self.width - 30:
            words = section.formula.split(" ")
        yield from self.wrapped(f"{section.layer:<11} ", words, " ")
        for equation in section.equations:
            yield from self.equation(equation)
        if section.left_out:
            yield f"{_INDENT}... {section.left_out:,} more"

    def layers(self, trace: Trace) -> list[str]:
        """How many are shown, and how to see the others."""
        if not trace.left_out:
            return []
        words = f"{trace.layers - len(trace.left_out):,} of {trace.layers:,}"
        words += f", {trace.reason}" if trace.reason else ""
        words += "; --layer NAME shows another, --all-layers all"
        return self.wrapped(f"{'layers':<9}", words.split(" "), " ")

    def after(self, after: After) -> list[str]:
        title = f"{_INDENT}step {after.step:<6,} loss {self.number(after.loss)}"
        return self.wrapped(title + "   outputs ", self.outputs(after), "  ")

    def outputs(self, after: After) -> list[str]:
        """The first of them, and how many more there are."""
        shown = list(map(self.number, after.outputs[:_MOST_OUTPUTS]))
        rest = len(after.outputs) - _MOST_OUTPUTS
        return [*shown, f"... {rest:,} more"] if rest > 0 else shown


def text(trace: Trace, *, digits: int = 8, width: int = 80) -> str:
    """The whole trace for a terminal of that width."""
    writer = Writer(digits, width)
    lines = [title(trace), ""]
    lines += writer.example(trace)
    for heading, sections in chapters(trace):
        lines += ["", heading]
        for section in sections:
            lines += ["", *writer.section(section)]
    lines += ["", "AFTER THE UPDATE"]
    lines += [f"{_INDENT}before      loss {writer.number(trace.loss)}"]
    for after in trace.after:
        lines += writer.after(after)
    return "\n".join(lines) + "\n"


def styled(text: str) -> Lines:
    """The same for a terminal with colours: chapters, and the layers at the heads of sections."""
    return Lines(tuple(map(_styled, text.splitlines())))


def _styled(line: str) -> Sequence[Piece]:
    first, space, rest = line.partition(" ")
    if not first:  # an equation
        return [line]
    if first == "...":  # layers left out
        return [Span(line, "muted")]
    if first.removesuffix(",").isupper():
        return [Span(line, "accent")]
    return [Span(first, "strong"), Span(space + rest, "muted" if space else "plain")]


def markdown(trace: Trace, *, digits: int = 8) -> str:
    """The whole trace as Markdown: a heading a chapter, a code block a layer."""
    writer = Writer(digits, 96)
    lines = [f"# {title(trace)}", "", "```text"]
    lines += writer.example(trace)
    lines += ["```"]
    for heading, sections in chapters(trace):
        lines += ["", f"## {heading.capitalize()}"]
        for section in sections:
            lines += ["", f"**{section.layer}** {section.formula}".rstrip()]
            equations = list(writer.section(replace(section, formula="")))[1:]
            lines += ["", "```text", *equations, "```"] if equations else []
    lines += ["", "## After the update", "", "| step | loss | outputs |", "| --- | --- | --- |"]
    lines += [f"| 0 | {writer.number(trace.loss)} | |"]
    for after in trace.after:
        outputs = ", ".join(writer.outputs(after))
        lines += [f"| {after.step:,} | {writer.number(after.loss)} | {outputs} |"]
    return "\n".join(lines) + "\n"


def title(trace: Trace) -> str:
    """mazur · example 0 of 1 · loss 0.29837111"""
    return f"{trace.name} · {subtitle(trace)}"


def subtitle(trace: Trace) -> str:
    return f"example {trace.example} of {trace.examples:,} · loss {trace.loss:.8g}"


def chapters(trace: Trace) -> Iterator[tuple[str, list[Section]]]:
    """Headings and what the layers do under each."""
    yield "FORWARD, from the inputs to the loss", trace.forward
    yield "BACKWARD, from the loss to the inputs", trace.backward
    yield f"UPDATE, {trace.optimizer} with learning rate {trace.learning_rate:g}", trace.update
    if trace.moments:
        yield "MOMENTS, carried on from step to step", trace.moments
