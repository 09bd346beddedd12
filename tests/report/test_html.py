"""The page about a run: whole, self-contained, and drawn by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli.program import bpcli, write_spec

from bpcli.report.html.charts import HeatMap, LineChart, Series, heat_map, line_chart
from bpcli.report.html.page import page
from bpcli.report.html.scales import Scale, scale_over, thinned

DEEP = """\
name: deep <b> & "quoted"
data: {generate: {spirals: {samples: 90}}, split: {validation: 0.2}}
network: [{repeat: {times: 4, layers: [{dense: 8}, tanh]}}, {dense: 3}]
loss: cross_entropy
training: {epochs: 4, batch_size: 16}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    assert bpcli("train", write_spec(folder, DEEP), "-q", folder=folder).returncode == 0
    (run,) = (folder / "runs").glob("*/1")
    made = bpcli("report", run, folder=folder)
    assert made.returncode == 0, made.stderr
    return Path(folder, made.stdout.strip())


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nobody(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.count["svg"] == tags.count["figcaption"] == tags.count["details"] >= 5
    assert not [value for name, value in tags.attributes if name in ("src", "href")]
    assert "http:" not in re.sub(r"http://www\.w3\.org/2000/svg", "", text)
    assert "https:" not in text
    assert "default-src 'none'" in text
    assert len(text) < 2_000_000


def test_what_users_write_is_escaped(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert "<b>" not in text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.slow
def test_a_browser_draws_it_without_a_complaint(report: Path, tmp_path: Path) -> None:
    """Runs the page, moves the pointer and the keyboard over each chart, and prints what it saw."""
    probe = tmp_path / "probe.html"
    script = """<script>
      const errors = []; window.addEventListener("error", (e) => errors.push(e.message));
      window.addEventListener("securitypolicyviolation", (e) => errors.push(e.blockedURI));
      window.addEventListener("load", () => {
        const tips = [...document.querySelectorAll("svg.chart")].map((svg) => {
          const box = svg.getBoundingClientRect();
          svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2,
            clientY: box.top + box.height / 2}));
          const pointed = document.getElementById("tip").innerText;
          svg.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
          return pointed && document.getElementById("tip").innerText ? 1 : 0;
        });
        const drawn = [...document.querySelectorAll("svg.chart")]
          .filter((svg) => svg.querySelector("path, rect")).length;
        document.title = JSON.stringify({tips, drawn, errors});
      });
    </script></head>"""
    probe.write_text(report.read_text(encoding="utf-8").replace("</head>", script))
    run = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", run.stdout)
    assert title is not None, run.stderr[-500:]
    count = report.read_text(encoding="utf-8").count("<svg")
    assert title[1] == f'{{"tips":[{",".join(["1"] * count)}],"drawn":{count},"errors":[]}}'


def test_extremes_survive_thinning() -> None:
    points = [(float(n), float(n % 7)) for n in range(10_000)]
    points[4321] = (4321.0, 99.0)
    points[6789] = (6789.0, -5.0)
    kept = thinned(points, 200)
    assert len(kept) <= 210
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert points[4321] in kept
    assert points[6789] in kept
    assert kept == sorted(kept)


def test_scales() -> None:
    assert Scale(0, 10, 100, 200)(5) == 150
    assert Scale(1e-4, 1, 0, 100, logarithmic=True)(1e-2) == pytest.approx(50)
    assert Scale(0, 1, 0, 1).ticks(5) == [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]
    assert Scale(1e-8, 1, 0, 1, logarithmic=True).ticks(5) == [1e-8, 1e-6, 1e-4, 1e-2, 1]
    assert scale_over([], 0, 1).high > scale_over([], 0, 1).low


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_undrawable_values_leave_a_gap(value: float) -> None:
    points = [(0.0, 1.0), (1.0, value), (2.0, 0.5)]
    drawn = line_chart(LineChart("t", "x", "y", [Series("a", points)], logarithmic=True))
    assert "nan" not in drawn.lower()
    assert drawn.count("L") >= 1


def test_a_heat_map_of_nothing_known() -> None:
    drawn = heat_map(HeatMap("t", "x", "y", ["1"], ["a"], [[None]]))
    assert 'class="hx"' in drawn
    assert page("t", "s", [("h", drawn)]).startswith("<!doctype html>")
