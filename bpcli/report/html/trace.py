"""The worked chain rule as a page: a chapter each way, a layer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bpcli.report.charts import LineChart, Series
from bpcli.report.html.charts import line_chart, table
from bpcli.report.html.page import page
from bpcli.report.trace.document import Section, Trace
from bpcli.report.trace.text import Writer, chapters, subtitle

_MOST_NUMBERS = 16  # of the example's inputs and targets
_ONE_LINE = 1 << 30  # columns: a browser breaks lines itself


def trace_page(trace: Trace, *, digits: int = 8) -> str:
    """One self-contained HTML file; layers can be folded away."""
    writer = Writer(digits, _ONE_LINE)
    sections = [("The example", _example(writer, trace))]
    for heading, layers in chapters(trace):
        sections.append((heading.capitalize(), "".join(_layer(writer, each) for each in layers)))
    sections.append(("After the update", _after(writer, trace)))
    return page(f"{trace.name}: the chain rule", subtitle(trace), sections)


def _example(writer: Writer, trace: Trace) -> str:
    return "".join(map(_equation, writer.example(trace, _MOST_NUMBERS)))


def _layer(writer: Writer, section: Section) -> str:
    formula = f'<span class="formula">{escape(section.formula)}</span>' if section.formula else ""
    lines = [line for each in section.equations for line in writer.equation(each)]
    if section.left_out:
        lines.append(f"... {section.left_out:,} more")
    if section.skipped:
        left_out = escape(f"{section.layer} {section.formula}")
        return f'<div class="left-out"><p>{left_out}</p>{"".join(map(_equation, lines))}</div>'
    return (
        f'<details class="layer" open><summary><strong>{escape(section.layer)}</strong>{formula}'
        f"</summary>{''.join(map(_equation, lines))}</details>"
    )


def _equation(text: str) -> str:
    return f'<p class="equation">{escape(text.strip())}</p>'


def _after(writer: Writer, trace: Trace) -> str:
    rows: list[Sequence[str]] = [["0", writer.number(trace.loss), ""]]
    for after in trace.after:
        outputs = ", ".join(writer.outputs(after))
        rows.append([f"{after.step:,}", writer.number(after.loss), outputs])
    losses = [(float(after.step), after.loss) for after in trace.after]
    if len(losses) < 3:
        return table(["step", "loss", "outputs"], rows)
    chart = LineChart(
        "loss of this example", "step", "loss", [Series("loss", losses)],
        logarithmic=True, logarithmic_x=True, markers=True,
    )  # fmt: skip
    return table(["step", "loss", "outputs"], rows) + line_chart(chart)
