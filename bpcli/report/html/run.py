"""The report of a run: how it went, how its gradients flowed, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.report import diagnosis_charts
from bpcli.report.charts import Chart
from bpcli.report.figures import figure, title
from bpcli.report.html.charts import table
from bpcli.report.html.diagnosis import drawn, layer_table, slopes
from bpcli.report.html.page import page
from bpcli.report.html.verdict import findings_of, verdict, verdict_of
from bpcli.report.run_charts import curves, distributions, flow, ratios, units
from bpcli.report.text import plural
from bpcli.training import RunDirectory
from bpcli.training.records import EPOCH, STEP, fitting

Line = dict[str, Any]
_ENDS = {
    "finished": ("good", "Trained to the end; no findings."),
    "early_stopping": ("good", "Stopped early: no more gain; no findings."),
    "interrupted": ("warn", "Interrupted; it can be resumed."),
}


def run_page(run: RunDirectory, diagnosis: Diagnosis | None = None) -> str:
    """One HTML file about a run directory, with what a diagnosis of the run finds.

    Raises CheckpointError where the run's files cannot be read.
    """
    summary = run.read_summary() or {}
    metrics, gradients = _logs(run)
    spec = run.read_spec()
    sections = [("", _verdict(summary, diagnosis)), ("Result", _result(summary))]
    if diagnosis is not None:
        sections.insert(1, ("", findings_of(diagnosis, spec)))
    sections.append(("Loss and metrics", drawn(curves(metrics))))
    if gradients:
        sections += [
            ("How gradients flow", _theory(diagnosis) + drawn(flow(gradients))),
            ("Through time", drawn(diagnosis_charts.time(diagnosis)) if diagnosis else ""),
            ("How much each layer learns", drawn([*ratios(gradients), *units(gradients)])),
            ("Distributions", drawn(distributions(gradients))),
            ("The layers", layer_table(diagnosis) if diagnosis else ""),
        ]
    sections += [("The spec", f'<pre tabindex="0">{escape(spec)}</pre>')]
    sections += [("Environment", _environment(run.read_environment()))]
    epochs = summary["epochs"] if summary else len(metrics)
    steps = summary["steps"] if summary else gradients[-1]["step"] if gradients else 0
    about = f"run {run.path.name} · {plural(epochs, 'epoch')} · {plural(steps, 'step')}"
    return page(run.path.parent.name, about, [section for section in sections if section[1]])


def run_charts_of(run: RunDirectory, diagnosis: Diagnosis | None = None) -> list[Chart]:
    """The pictures of the page."""
    metrics, gradients = _logs(run)
    charts = curves(metrics)
    if diagnosis is not None:
        charts += [*diagnosis_charts.depth(diagnosis)[:1], *diagnosis_charts.time(diagnosis)]
    if gradients:
        charts += [*flow(gradients), *ratios(gradients), *units(gradients)]
        charts += distributions(gradients)
    return charts


def _logs(run: RunDirectory) -> tuple[list[Line], list[Line]]:
    """The lines of its epochs and of its recorded steps; damaged ones are left out."""
    metrics = list(fitting(run.metrics.path, EPOCH))
    return metrics, [line for line in fitting(run.gradients.path, STEP) if line["layers"]]


def _verdict(summary: Line, diagnosis: Diagnosis | None) -> str:
    stopped = summary.get("stopped_by")
    if stopped:
        return verdict("bad", f"Training stopped: {stopped['message']}.")
    if diagnosis is not None and diagnosis.findings:
        return verdict_of(diagnosis.findings, "")
    reason = summary.get("reason")
    kind, text = _ENDS.get(str(reason), ("warn", "This run has not ended."))
    return verdict(kind, text)


def _theory(diagnosis: Diagnosis | None) -> str:
    """The slopes, and measurement beside theory where both are known."""
    if diagnosis is None:
        return ""
    return slopes(diagnosis) + drawn(diagnosis_charts.depth(diagnosis)[:1])


def _result(summary: Line) -> str:
    parts = [part for part in ("train", "validation", "test") if part in summary]
    if not parts:
        return ""
    names = list(dict.fromkeys(name for part in parts for name in summary[part]))
    rows: list[Sequence[str]] = [
        [part, *(figure(name, summary[part].get(name)) for name in names)] for part in parts
    ]
    best = summary.get("best")
    note = f"of the weights of epoch {best['epoch']}, the best by {best['metric']}" if best else ""
    return table(["part", *map(title, names)], rows, note)


def _environment(environment: Line) -> str:
    blas = environment.get("blas") or {}
    rows = [[key, str(environment[key])] for key in ("bpcli", "python", "numpy", "cpu", "platform")
            if key in environment]  # fmt: skip
    rows += [["BLAS", f"{blas.get('core_type')}, {plural(blas.get('threads') or 0, 'thread')}"]]
    seeds = environment.get("seeds") or {}
    rows += [["seeds", ", ".join(f"{name} {seed}" for name, seed in seeds.items())]]
    return table(["", ""], rows, words=[1])
