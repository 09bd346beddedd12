"""What the pages say: findings with the lines they point at, theory beside measurement."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .program import inside, write_spec

DEEP = """\
data: {generate: {blobs: {samples: 200}}}
network:
  - repeat: {times: 9, layers: [{dense: 16}, sigmoid]}   # too deep for it
  - dense: 3
loss: cross_entropy
training: {epochs: 12}
"""
RECURRENT = """\
data: {generate: {adding: {samples: 64, length: 12}}}
network: [{rnn: {units: 8, return: last}}, {dense: 1}]
loss: mse
training: {epochs: 1}
"""
WRONG = '''\
import bpcli


class Scale(bpcli.Layer):
    """y = x * scale."""

    name = "scale"

    def parameters(self, input_shape):
        return {"scale": (input_shape[-1:], "ones")}

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, inputs, parameters, *, training, random):
        return inputs * parameters["scale"], inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["scale"][...] = (output_gradient * cache).mean(axis=0)
        return output_gradient * parameters["scale"]
'''


def page_of(*arguments: str | Path, code: int = 0) -> str:
    """The page that the command writes to standard output."""
    ended = inside(*arguments, "--html", "-", "--quiet")
    assert ended.returncode == code, ended.stderr
    assert ended.stdout.startswith("<!doctype html>")
    return ended.stdout


def chart_of(page: str, title: str) -> dict[str, list[tuple[float, float]]]:
    """The series of the chart with that title, from the table below it."""
    figure = next(part for part in page.split("<figure>") if f"<figcaption>{title}" in part)
    head, *rows = re.findall(r"<tr>(.*?)</tr>", figure)
    names = re.findall(r"<th[^>]*>(.*?)</th>", head)[1:]
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    return {name: [float(row[n]) for row in cells] for n, name in enumerate(names)}


def test_a_finding_points_at_its_line_and_explains_itself(folder: Path) -> None:
    page = page_of("diagnose", write_spec(folder, DEEP, "deep.yaml"), "--no-train")
    assert "<mark>▸   3    - repeat: {times: 9" in page
    assert page.count("<mark>") == 1
    for part in ("BP101 vanishing-gradient", "from the start", "Why it matters", "Hochreiter 1991"):
        assert part in page


def test_measurement_and_theory_stand_side_by_side_with_the_numbers_of_the_json(
    folder: Path,
) -> None:
    spec = write_spec(folder, DEEP, "deep.yaml")
    drawn = chart_of(page_of("diagnose", spec, "--no-train"), "‖∂L/∂z‖ against depth")
    document = json.loads(inside("diagnose", spec, "--no-train", "--format", "json").stdout)
    for name, key in (("measured", "delta_norm"), ("theory (mean field)", "predicted_delta_norm")):
        expected = [layer[key] for layer in document["layers"]]
        assert drawn[name] == pytest.approx(expected, rel=5e-3)


def test_a_slope_is_told_as_a_factor_too(folder: Path) -> None:
    spec = write_spec(folder, DEEP, "deep.yaml")
    words = re.search(
        r"[\d.]+ times smaller a layer back", inside("diagnose", spec, "--no-train").stdout
    )
    assert words is not None
    page = page_of("diagnose", spec, "--no-train")
    assert f'<td class="left">{words[0]}</td>' in page
    assert '<p class="sub">10 weighted layers' in page  # the heading has the name


def test_a_recurrent_layer_is_drawn_against_time(folder: Path) -> None:
    page = page_of("diagnose", write_spec(folder, RECURRENT, "sums.yaml"), "--no-train")
    (norms,) = chart_of(page, "‖∂L/∂hₜ‖ against time").values()
    assert len(norms) == 12
    # theory knows the last layer alone, from which it starts: no line to draw
    assert list(chart_of(page, "‖∂L/∂z‖ against depth")) == ["measured"]


def test_the_report_of_a_run_shows_what_diagnose_finds(folder: Path) -> None:
    spec = write_spec(folder, DEEP, "deep.yaml")
    assert inside("train", spec, "--quiet", "--fail-on", "never").returncode == 0
    page = page_of("report", "runs/deep")
    document = json.loads(inside("diagnose", "runs/deep", "--format", "json").stdout)
    assert document["findings"]
    for finding in document["findings"]:
        assert f"{finding['code']} {finding['name']}" in page
    lines = Path("runs/deep/1/spec.yaml").read_text(encoding="utf-8").splitlines()
    (marked,) = set(re.findall(r"<mark>▸ +(\d+)", page))
    assert "repeat" in lines[int(marked) - 1]


def test_a_wrong_gradient_is_told_with_its_hint(folder: Path) -> None:
    (folder / "mine.py").write_text(WRONG, encoding="utf-8")
    spec = write_spec(folder, DEEP.replace("  - dense: 3", "  - scale\n  - dense: 3"), "wrong.yaml")
    page = page_of("gradcheck", spec, "--layers", "mine.py", "--quick", code=1)
    assert "A gradient is wrong, and it is made in scale_1." in page
    assert "divided by the batch (8) once too often: a mean where the sum belongs" in page


def test_a_page_that_cannot_be_written(folder: Path) -> None:
    spec = write_spec(folder, DEEP, "deep.yaml")
    ended = inside("gradcheck", spec, "--quick", "-q", "--html", "no/such/folder/page.html")
    assert ended.returncode == 5
    assert "no/such/folder" in ended.stderr


def test_weights_and_normalizations_are_lines_of_their_own(folder: Path) -> None:
    text = DEEP.replace("{dense: 16}, sigmoid", "{dense: 16}, batch_norm, relu")
    page = page_of("diagnose", write_spec(folder, text, "norms.yaml"), "--no-train")
    figures = page.split("<figure>")
    figure = next(part for part in figures if "of each layer&#x27;s parameters" in part)
    rows = re.findall(
        r"<tr><th[^>]*>(\w+)</th><td>(.*?)</td><td>(.*?)</td></tr>",
        figure.partition("</figure>")[0],
    )
    empty = {name: (weights == "–", norms == "–") for name, weights, norms in rows}
    assert empty["dense_1"] == (False, True)
    assert empty["batch_norm_1"] == (True, False)
