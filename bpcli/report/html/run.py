"""The report of a run: how it went, how its gradients flowed, and what there is to say of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bpcli.report.html.charts import HeatMap, LineChart, Series, heat_map, line_chart, table
from bpcli.report.html.page import page
from bpcli.report.text import number, percent
from bpcli.training import RunDirectory

Line = dict[str, Any]
# where ‖ΔW‖/‖W‖ of a run that learns usually lies: around 1e-3, a factor of thirty either way
HEALTHY_RATIO = (3e-5, 3e-2)
_WORST, _MOST_LAYERS = 12, 200


def run_report(run: RunDirectory, findings: Sequence[Line] = ()) -> str:
    """One HTML file about a run directory; ``findings`` in the form of diagnose's JSON.

    Raises CheckpointError where the run's files cannot be read.
    """
    summary = run.read_summary() or {}
    metrics, gradients = list(read_lines(run.metrics.path)), list(read_lines(run.gradients.path))
    name = run.path.parent.name
    sections = [("", _verdict(summary, findings)), ("", _findings(findings))]
    sections += [("Result", _result(summary)), ("Loss and metrics", _curves(metrics))]
    if gradients:
        sections += [
            ("How gradients flow", _flow(gradients)),
            ("How much each layer learns", _ratios(gradients)),
        ]
    sections += [("The spec", f"<pre>{escape(run.read_spec())}</pre>")]
    sections += [("Environment", _environment(run.read_environment()))]
    subtitle = f"run {run.path.name} · {summary.get('epochs', len(metrics))} epochs · " + (
        f"{summary.get('steps', gradients[-1]['step'] if gradients else 0):,} steps"
    )
    return page(name, subtitle, [section for section in sections if section[1]])


def read_lines(path: Path) -> Iterator[Line]:
    """The whole lines of a JSON-lines file; nothing where there is none."""
    try:
        with path.open("rb") as file:
            for raw in file:
                try:
                    line = json.loads(raw)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line
    except FileNotFoundError:
        return


def _verdict(summary: Line, findings: Sequence[Line]) -> str:
    stopped = summary.get("stopped_by")
    errors = [finding for finding in findings if finding["severity"] == "error"]
    if stopped:
        return _said("bad", f"Training stopped: {stopped['message']}.")
    if errors:
        return _said("bad", f"{len(errors)} finding{'s' * (len(errors) > 1)}: "
                     + ", ".join(finding["name"] for finding in errors))  # fmt: skip
    if findings:
        return _said("warn", "Trained, with remarks below.")
    reason = summary.get("reason")
    if reason is None:
        return _said("warn", "This run has not ended.")
    told = {"finished": "Trained to the end.", "early_stopping": "Stopped early: no more gain.",
            "interrupted": "Interrupted; it can be resumed."}  # fmt: skip
    return _said("good" if reason != "interrupted" else "warn", told.get(reason, str(reason)))


def _said(kind: str, text: str) -> str:
    return f'<p class="verdict {kind}">{escape(text)}</p>'


def _findings(findings: Sequence[Line]) -> str:
    return "".join(
        f'<div class="finding {escape(finding["severity"])}"><h3>{escape(finding["code"])} '
        f"{escape(finding['name'])}</h3><p>{escape(finding['message'])}</p>"
        + "".join(f"<p>Cure: {escape(r['description'])}</p>" for r in finding["remedies"][:3])
        + "</div>"
        for finding in findings
    )


def _result(summary: Line) -> str:
    parts = [part for part in ("train", "validation", "test") if part in summary]
    if not parts:
        return ""
    names = list(dict.fromkeys(name for part in parts for name in summary[part]))
    rows = [[part, *(_figure(name, summary[part].get(name)) for name in names)] for part in parts]
    best = summary.get("best")
    note = f"of the weights of epoch {best['epoch']}, the best by {best['metric']}" if best else ""
    return table(["part", *names], rows, note)


def _figure(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return percent(value) if name == "accuracy" else number(float(value))


def _curves(metrics: Sequence[Line]) -> str:
    if not metrics:
        return ""
    names = [name for name, value in metrics[-1]["train"].items() if isinstance(value, float)]
    charts = []
    for name in names:
        series = [
            Series(part, [(line["epoch"], _finite(line[part].get(name))) for line in metrics])
            for part in ("train", "validation")
            if part in metrics[-1]
        ]
        positive = all(y > 0 for s in series for _, y in s.points if math.isfinite(y))
        log = name in ("loss", "rmse", "mae", "perplexity") and positive
        charts.append(line_chart(LineChart(name, "epoch", name, series, logarithmic=log)))
    if len({line["learning_rate"] for line in metrics}) > 1:
        rates = [Series("rate", [(line["epoch"], line["learning_rate"]) for line in metrics])]
        charts.append(line_chart(LineChart("learning rate", "epoch", "learning rate", rates)))
    return "".join(charts)


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _flow(gradients: Sequence[Line]) -> str:
    names = [layer["name"] for layer in gradients[-1]["layers"]][:_MOST_LAYERS]
    key = "delta_norm" if "delta_norm" in gradients[-1]["layers"][0] else "gradient_norm"
    title = {"delta_norm": "‖∂L/∂z‖", "gradient_norm": "‖∂L/∂W‖"}[key]
    first, last = gradients[0], gradients[-1]
    depth = [
        Series(f"step {line['step']:,}", list(enumerate(_column(line, key, names))))
        for line in _spread(gradients, 5)
    ]
    charts = [
        line_chart(
            LineChart(
                f"{title} against depth, from the input (left) to the loss (right)",
                "layer", title, depth, logarithmic=True, x_names=names, markers=True,
                sequential=True,
            )
        ),
        heat_map(
            HeatMap(
                f"{title} of every layer over the run (steps {first['step']:,} to "
                f"{last['step']:,}, logarithmic)",
                "step", "layer", [f"{line['step']:,}" for line in gradients], names,
                [list(row) for row in zip(*(_column(line, key, names) for line in gradients),
                                          strict=True)],
                "each column is the geometric mean of its steps",
            )
        ),
    ]  # fmt: skip
    if "activation_rms" in last["layers"][0]:
        signal = [
            Series(
                f"step {line['step']:,}", list(enumerate(_column(line, "activation_rms", names)))
            )
            for line in (first, last)
        ]
        charts.append(
            line_chart(
                LineChart("root mean square of each layer's output", "layer", "rms", signal,
                          logarithmic=True, x_names=names, markers=True)
            )
        )  # fmt: skip
    return "".join(charts)


def _column(line: Line, key: str, names: Sequence[str]) -> list[float]:
    found = {layer["name"]: layer.get(key) for layer in line["layers"]}
    return [_finite(found.get(name)) for name in names]


def _spread(lines: Sequence[Line], count: int) -> list[Line]:
    """A few lines from the first to the last, at even distances."""
    if len(lines) <= count:
        return list(lines)
    return [lines[round(n * (len(lines) - 1) / (count - 1))] for n in range(count)]


def _ratios(gradients: Sequence[Line]) -> str:
    names = [layer["name"] for layer in gradients[-1]["layers"]]
    chosen = names if len(names) <= _WORST else _spread_names(names, _WORST)
    series = [
        Series(
            name,
            [(line["step"], _column(line, "update_ratio", [name])[0]) for line in gradients],
        )
        for name in chosen
    ]
    return line_chart(
        LineChart(
            "update : weight ratio ‖ΔW‖ / ‖W‖ of each layer",
            "step", "‖ΔW‖ / ‖W‖", series, logarithmic=True, band=HEALTHY_RATIO,
            band_name="where layers that learn usually lie", sequential=True,
        )
    )  # fmt: skip


def _spread_names(names: Sequence[str], count: int) -> list[str]:
    return [names[round(n * (len(names) - 1) / (count - 1))] for n in range(count)]


def _environment(environment: Line) -> str:
    blas = environment.get("blas") or {}
    rows = [[key, str(environment[key])] for key in ("bpcli", "python", "numpy", "cpu", "platform")
            if key in environment]  # fmt: skip
    rows += [["BLAS", f"{blas.get('core_type')}, {blas.get('threads')} thread(s)"]]
    seeds = environment.get("seeds") or {}
    rows += [["seeds", ", ".join(f"{name} {seed}" for name, seed in seeds.items())]]
    return table(["", ""], rows)
