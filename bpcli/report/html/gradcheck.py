"""A gradient check as a page: verdict, what is wrong and what it looks like, every gradient."""

from __future__ import annotations

from bpcli.gradcheck import Result
from bpcli.report.charts import LineChart, Series
from bpcli.report.document import Document, Lines, Table
from bpcli.report.gradcheck_faults import details
from bpcli.report.html.charts import line_chart
from bpcli.report.html.document import blocks, text_of
from bpcli.report.html.page import page
from bpcli.report.html.verdict import verdict
from bpcli.report.text import plural, scientific

_ONE_LINE = 1 << 30  # columns: a browser breaks lines itself
_SMALLEST = 1e-17  # an error of exactly 0 is drawn here, below the rounding of float64


def gradcheck_page(title: str, about: Lines, document: Document, result: Result) -> str:
    """One self-contained HTML file; ``document`` is what the terminal shows of the result."""
    faults = list(details(result))
    others = [block for block in document.blocks[1:] if block not in faults]
    tables = [block for block in others if isinstance(block, Table)]
    sections = [
        ("", _verdict(result)),
        (
            "What is wrong" if result.verdict == "fail" else "What is unclear",
            blocks(details(result, _ONE_LINE)),
        ),
        ("Every gradient", blocks(tables) + _errors(result)),
        ("How it was checked", blocks(block for block in others if block not in tables)),
    ]
    return page(title, text_of(about), [section for section in sections if section[1]])


def _verdict(result: Result) -> str:
    count = plural(len(result.parameters), "parameter")
    if result.verdict == "pass":
        error = scientific(result.max_relative_error)
        return verdict("good", f"Every gradient is right: {count}, worst relative error {error}.")
    if result.verdict == "fail":
        layers = ", ".join(dict.fromkeys(fault.layer for fault in result.faults))
        made = f", and it is made in {layers}" if layers else ""
        return verdict("bad", f"A gradient is wrong{made}.")
    return verdict("warn", "Inconclusive: the method cannot tell at this precision.")


def _errors(result: Result) -> str:
    tensors = [*result.parameters, *([result.inputs] if result.inputs else [])]
    if len(tensors) < 2:
        return ""
    errors = [max(tensor.max_relative_error, _SMALLEST) for tensor in tensors]
    series = [Series("worst relative error", list(enumerate(errors)))]
    return line_chart(
        LineChart("worst relative error of each gradient", "gradient by", "relative error", series,
                  logarithmic=True, x_names=[tensor.name for tensor in tensors], markers=True)
    )  # fmt: skip
