"""What `bench` says."""

from __future__ import annotations

from typing import Any

from bpcli.benchmark import Benchmark
from bpcli.benchmark.benchmark import LayerTime
from bpcli.memory import format_bytes
from bpcli.report.document import Column, Document, Fields, Lines, Span, Table
from bpcli.report.text import count, duration, plural


def benchmark_report(measured: Benchmark, headline: Lines) -> Document:
    return Document((headline, _step(measured), _phases(measured), _layers(measured)),
                    _data(measured))  # fmt: skip


def _data(measured: Benchmark) -> dict[str, Any]:
    return {
        "step_seconds": measured.step,
        "fastest_step_seconds": measured.fastest_step,
        "steps": measured.steps,
        "examples": measured.examples,
        "examples_per_second": measured.examples_per_second,
        "gemm_fraction": measured.fraction(measured.multiply_adds, measured.step),
        "gemm_ceiling": measured.ceiling,
        "multiply_adds": measured.multiply_adds,
        "phases": measured.phases,
        "layers": [_layer_data(layer, measured) for layer in measured.layers],
        "peak_memory": measured.peak_memory,
        "blas": measured.blas,
    }


def _layer_data(layer: LayerTime, measured: Benchmark) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.type,
        "forward_seconds": layer.forward,
        "backward_seconds": layer.backward,
        "multiply_adds": layer.multiply_adds,
        "gemm_fraction": measured.fraction(layer.multiply_adds, layer.forward + layer.backward),
    }


def _step(measured: Benchmark) -> Fields:
    fraction = measured.fraction(measured.multiply_adds, measured.step)
    pairs = [
        ("step", f"{duration(measured.step)}, median of {plural(measured.steps, 'step')}, "
                 f"{plural(measured.examples, 'example')} each"),
        ("speed", f"{count(measured.examples_per_second)} examples/s"),
        ("products", f"{count(measured.multiply_adds / measured.step)} multiply-adds/s, "
                     f"{_share(fraction)} of what matrix products reach here"),
        ("ceiling", f"{count(measured.ceiling)} multiply-adds/s, {_blas(measured.blas)}"),
    ]  # fmt: skip
    if measured.peak_memory is not None:
        peak = format_bytes(measured.peak_memory)
        pairs.append(("memory", f"{peak} at most, Python and data included"))
    return Fields(pairs)


def _blas(blas: dict[str, Any]) -> str:
    if blas["core_type"] is None:
        return "BLAS unknown"
    return f"OpenBLAS {blas['core_type']}, {plural(blas['threads'], 'thread')}"


def _phases(measured: Benchmark) -> Table:
    total = sum(measured.phases.values())
    columns = (Column("phase", "left"), Column("time"), Column("share"))
    rows = [
        [phase, duration(seconds), _share(seconds / total)]
        for phase, seconds in measured.phases.items()
    ]
    return Table(columns, rows)


def _layers(measured: Benchmark) -> Table:
    total = sum(layer.forward + layer.backward for layer in measured.layers)
    columns = (
        Column("layer", "left", shortens=True),
        Column("forward"),
        Column("backward"),
        Column("share"),
        Column("of ceiling"),
    )
    rows: list[list[Span | str]] = []
    for layer in measured.layers:
        seconds = layer.forward + layer.backward
        of_ceiling = measured.fraction(layer.multiply_adds, seconds)
        rows.append(
            [
                Span(layer.name, "plain" if layer.multiply_adds else "muted"),
                duration(layer.forward),
                duration(layer.backward),
                _share(seconds / total),
                _share(of_ceiling) if layer.multiply_adds else "",
            ]
        )
    return Table(columns, rows)


def _share(share: float) -> str:
    return f"{100 * share:.1f}%"
