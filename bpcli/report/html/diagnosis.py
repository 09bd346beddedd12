"""A diagnosis as a page: verdict, findings, how the gradient flows, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.report import diagnosis_charts
from bpcli.report.charts import Chart
from bpcli.report.diagnosis import depth_of, slope_in_words
from bpcli.report.document import Lines
from bpcli.report.html.charts import figure, number, table
from bpcli.report.html.document import text_of
from bpcli.report.html.page import page
from bpcli.report.html.verdict import findings_of, verdict_of

_COLUMNS = {
    "delta_norm": "‖∂L/∂z‖",
    "predicted_delta_norm": "theory",
    "gradient_norm": "‖∂L/∂W‖",
    "activation_rms": "output rms",
    "weight_norm": "‖W‖",
    "update_ratio": "update : weight",
    "saturated": "saturated",
    "dead_units": "dead units",
}


def diagnosis_page(
    diagnosis: Diagnosis, title: str, about: Sequence[Lines] = (), spec_text: str = ""
) -> str:
    """One self-contained HTML file; ``about`` says which network on which data."""
    sections = [
        ("", verdict_of(diagnosis.findings, "No findings: gradients flow as they should.")),
        ("", findings_of(diagnosis, spec_text)),
        ("How gradients flow", slopes(diagnosis) + drawn(diagnosis_charts.depth(diagnosis))),
        ("Through time", drawn(diagnosis_charts.time(diagnosis))),
        ("How much each layer learns", drawn(diagnosis_charts.weights(diagnosis))),
        ("While it trained", drawn(diagnosis_charts.training(diagnosis))),
        ("The layers", layer_table(diagnosis)),
        ("The spec", f'<pre tabindex="0">{escape(spec_text)}</pre>' if spec_text else ""),
    ]
    subtitle = " ".join(map(text_of, about))
    return page(title, subtitle, [section for section in sections if section[1]])


def drawn(charts: Iterable[Chart]) -> str:
    """One figure below the other."""
    return "".join(map(figure, charts))


def slopes(diagnosis: Diagnosis) -> str:
    """Gradient and signal in nats a layer, measured and by theory, and what that is as a factor."""
    flow, depth = diagnosis.flow.as_json(), depth_of(diagnosis)
    names = {
        "gradient_slope": ("gradient", "back"),
        "gradient_slope_error": ("its standard error", ""),
        "predicted_gradient_slope": ("gradient by theory", "back"),
        "activation_slope": ("signal", "on"),
    }
    rows = [
        [name, number(flow[key]), slope_in_words(flow[key], way, depth) if way else ""]
        for key, (name, way) in names.items()
        if flow[key] is not None
    ]
    return table(["", "nats a layer", ""], rows, words=[2]) if rows else ""


def layer_table(diagnosis: Diagnosis) -> str:
    """A row for each layer, a column for each figure that any of them has."""
    rows = [layer.as_json() for layer in diagnosis.layers]
    keys = [key for key in _COLUMNS if any(row.get(key) is not None for row in rows)]
    cells = [[row["name"], row["type"], *(number(row.get(key)) for key in keys)] for row in rows]
    head = ["layer", "type", *(_COLUMNS[key] for key in keys)]
    return table(head, cells, words=[1]) if rows else ""
