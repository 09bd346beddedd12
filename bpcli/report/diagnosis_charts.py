"""The pictures of a diagnosis: norms against depth and time, with theory beside measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bpcli.diagnosis.diagnosis import Diagnosis, LayerFlow
from bpcli.report import run_charts
from bpcli.report.charts import Chart, LineChart, Series
from bpcli.report.run_charts import HEALTHY_NAME, HEALTHY_RATIO, NORMS, finite

_THEORY = "theory (mean field)"
Value = Callable[[LayerFlow], object]


def depth(diagnosis: Diagnosis) -> list[Chart]:
    """‖∂L/∂z‖ of the trunk against depth, measured and as theory has it; then the signal."""
    trunk = [layer for layer in diagnosis.layers if layer.trunk]
    measured = ("measured", _figure("delta_norm"))
    theory: tuple[str, Value] = (_THEORY, lambda layer: layer.predicted_delta_norm)
    return [
        *_by_layer("‖∂L/∂z‖ against depth, the input on the left, the loss on the right",
                   "‖∂L/∂z‖", trunk, [measured, theory]),
        *_by_layer("root mean square of each layer's output", "rms", trunk,
                   [("measured", _figure("activation_rms")), _predicted_signal(diagnosis)]),
    ]  # fmt: skip


def weights(diagnosis: Diagnosis) -> list[Chart]:
    """‖∂L/∂W‖ of every layer with weights, and its update:weight ratio with the healthy band.

    Scales and shifts of normalizations have lines of their own: their gradients are of another
    size, and one line through both would zigzag.
    """
    layers = diagnosis.layers
    norm, ratio = _by_kind("gradient_norm"), _by_kind("update_ratio")
    return [
        *_by_layer("‖∂L/∂W‖ of each layer's parameters", "‖∂L/∂W‖", layers, norm),
        *_by_layer("update : weight ratio ‖ΔW‖ / ‖W‖ of each layer, the median over the steps",
                   "‖ΔW‖ / ‖W‖", layers, ratio, band=HEALTHY_RATIO),
    ]  # fmt: skip


def time(diagnosis: Diagnosis) -> list[Chart]:
    """‖∂L/∂hₜ‖ of recurrent layers against the time step t."""
    series = [
        Series(layer.name, [(float(t), finite(norm)) for t, norm in enumerate(norms, 1)])
        for layer in diagnosis.layers
        if (norms := layer.figures.get("time_norms"))
    ]
    if not series:
        return []
    title = "‖∂L/∂hₜ‖ against time, the start of the sequence on the left, its end on the right"
    return [LineChart(title, "time step t", "‖∂L/∂hₜ‖", series, logarithmic=True)]


def training(diagnosis: Diagnosis) -> list[Chart]:
    """Of the first run that was watched: loss, gradients and update:weight ratios by step."""
    lines = diagnosis.evidence.runs[0] if diagnosis.evidence.runs else ()
    if len(lines) < 2:
        return []
    _, heat, *_ = run_charts.flow(lines)
    return [*run_charts.loss_by_step(lines), heat, *run_charts.ratios(lines)]


def diagnosis_charts(diagnosis: Diagnosis) -> list[Chart]:
    """All of them."""
    return [*depth(diagnosis), *time(diagnosis), *weights(diagnosis), *training(diagnosis)]


def _by_kind(key: str) -> list[tuple[str, Value]]:
    of = _figure(key)
    return [
        ("weights and biases", lambda layer: of(layer) if layer.kind not in NORMS else None),
        ("normalizations", lambda layer: of(layer) if layer.kind in NORMS else None),
    ]


def _figure(key: str) -> Value:
    return lambda layer: layer.figures.get(key)


def _predicted_signal(diagnosis: Diagnosis) -> tuple[str, Value]:
    prediction = diagnosis.evidence.prediction
    signals = prediction.signals if prediction is not None else {}

    def root(layer: LayerFlow) -> object:
        signal = signals.get(layer.name)
        return math.sqrt(signal.square) if signal is not None else None

    return _THEORY, root


def _by_layer(
    title: str,
    y: str,
    layers: Sequence[LayerFlow],
    lines: Sequence[tuple[str, Value]],
    band: tuple[float, float] | None = None,
) -> list[Chart]:
    """One chart of the lines that know something, or none."""
    series = [
        Series(
            name,
            [(float(n), finite(value(layer))) for n, layer in enumerate(layers)],
            dashed=name == _THEORY,
        )
        for name, value in lines
    ]
    known = [each for each in series if _known(each) > (1 if each.dashed else 0)]
    if not known:
        return []
    return [
        LineChart(
            title, "layer", y, known, logarithmic=True, band=band,
            band_name=HEALTHY_NAME if band else "", x_names=[layer.name for layer in layers],
            markers=True,
        )
    ]  # fmt: skip


def _known(series: Series) -> int:
    """How many points can be drawn; the last of a theory is no prediction, it starts from there."""
    return sum(math.isfinite(y) and y > 0 for _, y in series.points)
