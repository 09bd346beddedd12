"""The pictures of a run: its curves, how gradients flowed, how much each layer learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bpcli.diagnosis.histogram import BINS, Histogram, alike
from bpcli.report.charts import Chart, HeatMap, LineChart, Points, Series
from bpcli.report.figures import title

T = TypeVar("T")
Line = Mapping[str, Any]  # of metrics.jsonl or gradients.jsonl
# where ‖ΔW‖/‖W‖ of a run that learns usually lies: around 1e-3, a factor of thirty either way
HEALTHY_RATIO = (3e-5, 3e-2)
HEALTHY_NAME = "where layers that learn usually lie"
_MOST_LAYERS = 200  # of a heat map
_NOTEWORTHY = 0.02  # share of saturated values or dead units
_MOST_LINES = 12  # of layers in one chart
_SPREADS = {
    "outputs": "how its outputs are spread",
    "parameters": "how its parameters are spread",
    "gradients": "how the gradients by its parameters are spread",
}
NORMS = ("batch_norm", "layer_norm", "rms_norm")
_NORMS = {"delta_norm": "‖∂L/∂z‖", "gradient_norm": "‖∂L/∂W‖"}


def curves(metrics: Sequence[Line]) -> list[Chart]:
    """Loss and each metric over the epochs, of the training and the validation part."""
    if not metrics:
        return []
    names = [name for name, value in metrics[-1]["train"].items() if isinstance(value, float)]
    charts: list[Chart] = []
    for name in names:
        series = [
            Series(part, [(one["epoch"], finite(one.get(part, {}).get(name))) for one in metrics])
            for part in ("train", "validation")
            if part in metrics[-1]
        ]
        positive = all(y > 0 for s in series for _, y in s.points if math.isfinite(y))
        log = name in ("loss", "rmse", "mae", "perplexity") and positive
        charts.append(LineChart(title(name), "epoch", title(name), series, logarithmic=log))
    if len({line["learning_rate"] for line in metrics}) > 1:
        rates = [
            Series("rate", [(line["epoch"], finite(line["learning_rate"])) for line in metrics])
        ]
        charts.append(LineChart("learning rate", "epoch", "learning rate", rates))
    return charts


def loss_by_step(gradients: Sequence[Line]) -> list[Chart]:
    """For logs that have no epochs."""
    points: Points = [(float(line["step"]), finite(line.get("loss"))) for line in gradients]
    known = [y for _, y in points if math.isfinite(y)]
    if len(known) < 2:
        return []
    series = [Series("loss", points)]
    return [LineChart("loss", "step", "loss", series, logarithmic=min(known) > 0)]


def flow(gradients: Sequence[Line]) -> list[Chart]:
    """The gradient's norm against depth at a few steps, and of every layer at every step; of more
    layers than a picture holds, some at even distances."""
    every = _names(gradients)
    names = _spread(every, _MOST_LAYERS)
    layers = f"{len(names)} of {len(every)} layers" if names != every else "every layer"
    key = gradient_key(gradients[-1]["layers"])
    title = _NORMS[key]
    first, last = gradients[0]["step"], gradients[-1]["step"]
    rows = [_over_time(gradients, name, key) for name in names]
    return [
        _against_depth(
            f"{title} against depth, from the input (left) to the loss (right)",
            title, key, _multiplying(names), _spread(gradients, 5), sequential=True,
        ),
        HeatMap(
            f"{title} of {layers} over the run (steps {first:,} to {last:,}, logarithmic)",
            "step", "layer", [f"{line['step']:,}" for line in gradients], names, rows,
            "each column is the geometric mean of its steps",
        ),
        *_signals(gradients, names),
    ]  # fmt: skip


def _multiplying(names: Sequence[str]) -> Sequence[str]:
    """Without normalizations, whose gradients are of another size: a line through both zigzags."""
    return [name for name in names if not name.rpartition(".")[2].startswith(NORMS)] or names


def _signals(gradients: Sequence[Line], names: Sequence[str]) -> list[Chart]:
    lines, key = _spread(gradients, 2), "activation_rms"
    if not any(each.get(key) for each in gradients[-1]["layers"]):
        return []
    return [_against_depth("root mean square of each layer's output", "rms", key, names, lines)]


def _against_depth(
    title: str, y: str, key: str, names: Sequence[str], lines: Sequence[Line],
    *, sequential: bool = False,
) -> LineChart:  # fmt: skip
    series = [
        Series(f"step {line['step']:,}", list(enumerate(_of_layers(line, key, names))))
        for line in lines
    ]
    return LineChart(title, "layer", y, series, logarithmic=True, x_names=names, markers=True,
                     sequential=sequential)  # fmt: skip


def ratios(gradients: Sequence[Line]) -> list[Chart]:
    """The update:weight ratio of each layer over the steps, with the healthy band."""
    series = _by_layer(gradients, "update_ratio")
    if not series:
        return []
    return [
        LineChart(
            "update : weight ratio ‖ΔW‖ / ‖W‖ of each layer", "step", "‖ΔW‖ / ‖W‖", series,
            logarithmic=True, band=HEALTHY_RATIO, band_name=HEALTHY_NAME, sequential=True,
        )
    ]  # fmt: skip


def units(gradients: Sequence[Line]) -> list[Chart]:
    """The shares of saturated values and of dead units over the steps, where layers have them."""
    titles = {
        "saturated": "share of each layer's values in the flat ends of its activation",
        "dead_units": "share of each layer's units that are silent on all examples",
    }
    found = {title: _by_layer(gradients, key) for key, title in titles.items()}
    return [
        LineChart(title, "step", "share", series, sequential=True)
        for title, series in found.items()
        if any(y >= _NOTEWORTHY for each in series for _, y in each.points)
    ]


def distributions(gradients: Sequence[Line]) -> list[Chart]:
    """How outputs, parameters and gradients of a few layers are spread, at a few steps."""
    lines = [line for line in gradients if any("histograms" in each for each in line["layers"])]
    if not lines:
        return []
    found = {
        name: [(line["step"], _histograms(line, name)) for line in lines] for name in _names(lines)
    }
    layers = [name for name, steps in found.items() if any(known for _, known in steps)]
    return [
        chart
        for name in _spread(layers, 3)
        for key, title in _SPREADS.items()
        for chart in _spread_of(f"{name}: {title}", found[name], key)
    ]


def _histograms(line: Line, name: str) -> Line:
    layer = next((layer for layer in line["layers"] if layer["name"] == name), None)
    return (layer.get("histograms") if layer else None) or {}


def _spread_of(title: str, steps: Sequence[tuple[int, Line]], key: str) -> list[Chart]:
    known = [
        (step, Histogram(each[key]["exponent"], tuple(each[key]["counts"])))
        for step, each in steps
        if key in each and _is_histogram(each[key])
    ]
    known = _spread(known, 5)
    if not known:
        return []
    histograms = alike(each for _, each in known)
    filled = [n for each in histograms for n, count in enumerate(each.counts) if count]
    bins = range(max(min(filled) - 1, 0), min(max(filled) + 2, BINS))
    edges = histograms[0].edges()
    series = [
        Series(
            f"step {step:,}",
            [((edges[n] + edges[n + 1]) / 2, each.counts[n] / sum(each.counts)) for n in bins],
        )
        for (step, _), each in zip(known, histograms, strict=True)
    ]
    return [LineChart(title, "value", "share of values", series, sequential=True)]


def _is_histogram(found: Line) -> bool:
    counts = found["counts"]
    return len(counts) == BINS and min(counts) >= 0 < sum(counts) and abs(found["exponent"]) < 1000


def _by_layer(gradients: Sequence[Line], key: str) -> list[Series]:
    """A line for each layer that has the figure, or for some of many at even distances."""
    series = [Series(name, _points(gradients, name, key)) for name in _names(gradients)]
    known = [each for each in series if any(math.isfinite(y) for _, y in each.points)]
    return _spread(known, _MOST_LINES)


def _points(gradients: Sequence[Line], name: str, key: str) -> Points:
    values = _over_time(gradients, name, key)
    return [(line["step"], value) for line, value in zip(gradients, values, strict=True)]


def _names(gradients: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(layer["name"] for layer in gradients[-1]["layers"]))


def gradient_key(layers: Sequence[Line]) -> str:
    """The norm that these layers can be compared by: ∂L/∂z, or ∂L/∂W where a log has no other."""
    known = any(layer.get("delta_norm") is not None for layer in layers)
    return "delta_norm" if known else "gradient_norm"


def _of_layers(line: Line, key: str, names: Sequence[str]) -> list[float]:
    found = {layer["name"]: layer.get(key) for layer in line["layers"]}
    return [finite(found.get(name)) for name in names]


def _over_time(gradients: Sequence[Line], name: str, key: str) -> list[float]:
    return [_of_layers(line, key, [name])[0] for line in gradients]


def _spread(items: Sequence[T], count: int) -> list[T]:
    """A few from the first to the last, at even distances."""
    if len(items) <= count:
        return list(items)
    return [items[round(n * (len(items) - 1) / (count - 1))] for n in range(count)]


def finite(value: Any) -> float:
    """The number, nan where there is none."""
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.inf
