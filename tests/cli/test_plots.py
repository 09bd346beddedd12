"""Pictures by matplotlib, of the same data as the pages; skipped where it is not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bpcli.errors import BpcliError
from bpcli.report.charts import Chart, HeatMap, LineChart, Series
from bpcli.report.plots import plot

from .program import inside, write_spec

XOR = """\
data: {generate: xor}
network: [{dense: 4}, tanh, {dense: 2}]
loss: cross_entropy
training: {epochs: 3}
"""
LINES = LineChart(
    "a title", "layer", "norm", [Series("measured", [(0, 1e-3), (1, 0.0), (2, 1.0)]),
                                 Series("theory", [(0, 2e-3), (2, float("nan"))])],
    logarithmic=True, band=(1e-2, 1e-1), band_name="healthy", x_names=["one", "two", "three"],
)  # fmt: skip
CELLS = HeatMap("cells", "x", "y", ["1", "2"], ["a", "b"], [[1.0, None], [0.0, 100.0]])


def test_without_matplotlib_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BpcliError, match=r"pip install 'bpcli\[plot\]'"):
        plot([LINES], "t", ".png")
    monkeypatch.setattr("bpcli.cli.pages.find_spec", lambda name: None)
    ended = inside("diagnose", write_spec(folder, XOR), "--plot", "a.png")
    assert ended.returncode == 2
    assert "--plot needs matplotlib" in ended.stderr


@pytest.mark.parametrize("name", ["a.pdf", "a", "png"])
def test_a_file_of_another_kind_is_refused(folder: Path, name: str) -> None:
    ended = inside("diagnose", write_spec(folder, XOR), "--plot", name)
    assert ended.returncode == 2
    assert "must end in .png or .svg" in ended.stderr


@pytest.mark.parametrize("chart", [LINES, CELLS, HeatMap("none", "x", "y", ["1"], ["a"], [[None]])])
def test_every_chart_can_be_drawn(chart: Chart) -> None:
    pytest.importorskip("matplotlib")
    assert plot([chart], "t", ".png").startswith(b"\x89PNG")


def test_an_svg_holds_the_names_and_no_clock_value() -> None:
    pytest.importorskip("matplotlib")
    drawn = plot([LINES, CELLS], "a run", ".svg")
    assert drawn == plot([LINES, CELLS], "a run", ".svg")
    for text in (b"a title", b"measured", b"theory", b"healthy", b"three", b"a run"):
        assert text in drawn


def test_nothing_to_draw_is_said() -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(BpcliError, match="nothing to plot"):
        plot([], "t", ".png")


def test_commands_draw(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    spec = write_spec(folder, XOR)
    assert inside("diagnose", spec, "--no-train", "--plot", "a.svg").returncode == 0
    assert inside("train", spec, "--quiet", "--fail-on", "never").returncode == 0
    assert inside("report", "runs/xor", "--plot", "b.png").stdout == "b.png\n"
    vary = ("--vary", "seed=0,1", "--vary", "network.0.dense.units=2,3", "--jobs", "1", "--quiet")
    assert inside("sweep", spec, *vary, "--plot", "c.svg").returncode == 2
    over = ("--over", "seed,network.0.dense.units")
    assert inside("sweep", spec, *vary, *over, "--plot", "c.svg").returncode == 0
    assert "network.0.dense.units" in Path("c.svg").read_text(encoding="utf-8")
    assert Path("b.png").read_bytes().startswith(b"\x89PNG")


def drawn(charts: list[Chart], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of a picture, laid out."""
    module = pytest.importorskip("matplotlib.figure")
    kept: list[Any] = []
    monkeypatch.setattr(module.Figure, "savefig", lambda self, *_, **__: kept.append(self))
    plot(charts, "t", ".png")
    (figure,) = kept
    figure.canvas.draw()
    return [part.axes[0] for part in figure.subfigs]


def test_long_names_of_one_chart_leave_the_others_their_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"residual_{n}.residual_1.residual_1.dense_1" for n in range(12)]
    lines = [Series(name, [(0, 1.0), (1, 2.0)]) for name in names]
    cells = HeatMap("cells", "x", "y", ["1"], names, [[1.0]] * 12)
    wide = LineChart("wide", "step", "y", lines, sequential=True)
    plain, *others = drawn([LINES, wide, cells], monkeypatch)
    width = plain.figure.bbox.width
    assert plain.get_window_extent().width > 0.7 * width
    assert all(axes.get_window_extent().width > 0.5 * width for axes in others)
    assert others[1].get_yticklabels()[3].get_text() == "residual_3…dense_1"


def test_a_run_of_one_epoch_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = LineChart("loss", "epoch", "loss", [Series("train", [(1, 0.5)])], logarithmic=True)
    (axes,) = drawn([chart], monkeypatch)
    assert axes.lines[0].get_marker() == "o"
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_gradients_of_zero_have_the_smallest_shade(monkeypatch: pytest.MonkeyPatch) -> None:
    (axes,) = drawn([CELLS], monkeypatch)
    shown = axes.images[0].get_array()
    assert shown[1, 0] == 1.0
    assert shown.mask.tolist() == [[False, True], [False, False]]
