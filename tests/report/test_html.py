"""The page about a run: whole, self-contained, and drawn by a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cli.program import bpcli, write_spec

from bpcli.report.charts import HeatMap, LineChart, Series
from bpcli.report.diagnosis import slope_in_words
from bpcli.report.html import page as page_module
from bpcli.report.html.charts import heat_map, line_chart, number, table
from bpcli.report.html.page import page
from bpcli.report.html.scales import Scale, scale_over, thinned
from bpcli.report.names import short
from bpcli.report.run_charts import flow

DEEP = """\
name: deep <b> & "quoted"
data: {generate: {spirals: {samples: 90}}, split: {validation: 0.2}}
network: [{repeat: {times: 4, layers: [{dense: 8}, tanh]}}, {dense: 3}]
loss: cross_entropy
training: {epochs: 4, batch_size: 16}
"""


PAGES = {
    "report": ("report", "RUN", "--html", "page.html"),
    "diagnose": ("diagnose", "SPEC", "-q", "--html", "page.html"),
    "diagnose-run": ("diagnose", "RUN", "--html", "page.html"),
    "gradcheck": ("gradcheck", "SPEC", "--html", "page.html"),
    "sweep": ("sweep", "SPEC", "--vary", "seed=0..2", "--vary",
              "optimizer.adam.learning_rate=0.01..1/log3", "--over", "learning_rate,seed",
              "--contour", "optimizer.adam.learning_rate=0.05", "--jobs", "1", "-q",
              "--html", "page.html"),
    "trace": ("trace", "SPEC", "--steps", "100", "--format", "html"),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A spec and a run of it."""
    folder = tmp_path_factory.mktemp("report")
    spec = write_spec(folder, DEEP)
    assert bpcli("train", spec, "-q", folder=folder).returncode == 0
    (run,) = (folder / "runs").glob("*/1")
    return spec, run


@pytest.fixture(scope="module", params=PAGES)
def report(request: pytest.FixtureRequest, made: tuple[Path, Path]) -> Path:
    """Each kind of page in turn."""
    spec, run = made
    folder = spec.parent / request.param
    folder.mkdir()
    real = {"RUN": str(run), "SPEC": str(spec)}
    ended = bpcli(*(real.get(each, each) for each in PAGES[request.param]), folder=folder)
    assert ended.returncode in (0, 1), ended.stderr
    if "--html" not in PAGES[request.param]:
        (folder / "page.html").write_text(ended.stdout, encoding="utf-8")
    return folder / "page.html"


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
    assert tags.count["svg"] == tags.count["figcaption"] >= 1
    assert text.count("<summary>The numbers</summary>") == tags.count["svg"]
    labels = [value for name, value in tags.attributes if name == "aria-label"]
    assert len(labels) >= tags.count["svg"]
    assert all(labels)
    assert not [value for name, value in tags.attributes if name in ("src", "href")]
    assert "http:" not in re.sub(r"http://www\.w3\.org/2000/svg", "", text)
    assert "https:" not in text
    assert "default-src 'none'" in text
    assert len(text) < 2_000_000


def test_what_users_write_is_escaped(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert "<b>" not in text


def test_a_run_shows_how_values_were_spread(made: tuple[Path, Path], tmp_path: Path) -> None:
    assert bpcli("report", made[1], "--html", tmp_path / "page.html").returncode == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for layer in ("dense_1", "dense_3", "dense_5"):
        for values in ("its outputs", "its parameters", "the gradients by its parameters"):
            assert f"<figcaption>{layer}: how {values} are spread</figcaption>" in text
    assert "<h2>Distributions</h2>" in text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


LOOK = """<script>
const errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
window.addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));

function parts(colour) { return colour.match(/[\\d.]+/g).map(Number); }
function luminance(colour) {
  const [red, green, blue] = parts(colour).map((p) => p / 255)
    .map((p) => (p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (parts(colour)[3] !== 0) return colour;
  }
}
function contrast(element) {
  const style = getComputedStyle(element);
  const ink = luminance(element.closest("svg") ? style.fill : style.color);
  const paper = luminance(ground(element));
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}
function wears_text(element) {
  return [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
}

window.addEventListener("load", () => {
  dispatchEvent(new Event("beforeprint"));
  const shut = [...document.querySelectorAll("details:not([open])")]
    .filter((each) => !each.closest("figure")).length;
  dispatchEvent(new Event("afterprint"));
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const charts = [...document.querySelectorAll("svg.chart")];
  const tip = document.getElementById("tip");
  const first = charts.filter((svg) => {
    svg.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
    const data = JSON.parse(svg.dataset.chart);
    const places = data.heat ? [] : data.series.flatMap((s) => s.points.map((p) => p[0]));
    return data.heat || +svg.querySelector(".cursor").getAttribute("x1") === Math.min(...places);
  }).length;
  const tips = charts.map((svg) => {
    const box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2,
      clientY: box.top + box.height / 2}));
    const pointed = tip.innerText;
    svg.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
    return pointed && tip.innerText ? 1 : 0;
  });
  const outside = charts.flatMap((svg) => [...svg.querySelectorAll("text")].filter((text) => {
    const [inner, outer] = [text, svg].map((each) => each.getBoundingClientRect());
    return inner.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1
      || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1);
  }).map((text) => text.textContent));
  const faint = [...document.querySelectorAll("body *")]
    .filter((each) => each.id !== "tip" && !each.closest("#tip, script, style"))
    .filter((each) => wears_text(each) && contrast(each) < 4.5)
    .map((each) => each.textContent.slice(0, 30));
  parent.postMessage(JSON.stringify({
    tips: tips.filter(Boolean).length,
    drawn: charts.filter((svg) => svg.querySelector("path, rect")).length,
    tables: charts.filter((svg) => svg.parentElement.querySelector("table")).length,
    named: charts.filter((svg) => svg.getAttribute("aria-label") && svg.tabIndex === 0).length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    width: innerWidth,
    wider: Math.max(0, document.documentElement.scrollWidth - innerWidth),
    errors, outside, faint, shut, first,
  }), "*");
});
</script></head>"""


# a window of Chromium is at least 500 wide, a frame is as narrow as one likes
FRAME = """<!doctype html><title>nothing</title><script>
addEventListener("message", (event) => { document.title = event.data; });
</script><iframe src="probe.html" style="border: 0; width: WIDTHpx; height: 900px"></iframe>"""


def seen(page: Path, folder: Path, width: int, scheme: str) -> dict[str, Any]:
    """What a browser of that width and colour scheme sees of a page, all of it opened up."""
    probe = folder / "probe.html"
    probe.write_text(page.read_text(encoding="utf-8").replace("</head>", LOOK), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]
    run = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1400,1000", *(dark if scheme == "dark" else []),
         f"--user-data-dir={folder / 'profile'}", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", run.stdout, re.DOTALL)
    assert title is not None, run.stderr[-500:]
    found: dict[str, Any] = json.loads(unescape(title[1]))
    return found


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_a_browser_draws_it_without_a_complaint(
    report: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    """Runs the page and moves the pointer and the keyboard over each chart."""
    found = seen(report, tmp_path, width, scheme)
    count = report.read_text(encoding="utf-8").count("<svg")
    assert found == {
        "tips": count, "drawn": count, "tables": count, "named": count,
        "dark": scheme == "dark", "width": width, "wider": 0,
        "errors": [], "outside": [], "faint": [], "shut": 0, "first": count,
    }  # fmt: skip


STYLE = (Path(page_module.__file__).parent / "style.css").read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def colours(scheme: str) -> dict[str, str]:
    """The variables of the light or the dark scheme."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    text = light if scheme == "light" else dark
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", text))


def test_contrast_is_computed_as_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for lines of a chart."""
    named = colours(scheme)
    for ground in ("paper", "card"):
        for text in ("ink", "soft", "good", "bad", "warn", "accent"):
            assert contrast(named[text], named[ground]) >= 4.5, (text, ground)
        for line in (f"s{n}" for n in range(8)):
            assert contrast(named[line], named[ground]) >= 3, (line, ground)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_along_a_scale_can_be_seen(scheme: str) -> None:
    card = colours(scheme)["card"]
    found = re.findall(r"^( *)\.line\.(q\d+) \{ stroke: (#[0-9a-f]{6})", STYLE, re.MULTILINE)
    lines = {name: colour for indent, name, colour in found if bool(indent) == (scheme == "dark")}
    assert len(lines) == 12
    for name, colour in lines.items():
        assert contrast(colour, card) >= 3, name


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.5, "0.5"), (9999.0, "9999"), (1e4, "1e4"), (12345.0, "1.23e4"),
     (4.2e-9, "4.2e-9"), (float("nan"), "–")],
)  # fmt: skip
def test_numbers_are_short(value: float, expected: str) -> None:
    assert number(value) == expected


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


def ticks_of(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


def test_there_is_no_epoch_one_and_a_half() -> None:
    for last in (1, 2, 3):
        epochs = [(float(n), 1.0 / n) for n in range(1, last + 1)]
        shown = ticks_of(line_chart(LineChart("t", "epoch", "loss", [Series("a", epochs)])))
        assert {str(n) for n in range(1, last + 1)} <= set(shown)
        assert "1.5" not in shown


def test_ticks_of_huge_values_are_short() -> None:
    points = [(-8e15, 0.1), (0.0, 0.9), (2e15, 0.0)]
    shown = ticks_of(line_chart(LineChart("t", "value", "share", [Series("a", points)])))
    assert "-4e15" in shown
    assert max(map(len, shown)) < 10


def test_values_that_a_logarithmic_chart_cannot_show_are_named() -> None:
    points = [(0.0, 1.0), (1.0, 0.0), (2.0, float("inf")), (3.0, float("nan"))]
    chart = LineChart("t", "x", "y", [Series("a", points)], logarithmic=True)
    assert "<li>not drawn: 0, infinite</li>" in line_chart(chart)
    assert "not drawn" not in line_chart(LineChart("t", "x", "y", [Series("a", points[:2])]))


def test_the_numbers_of_a_chart_survive_their_attribute() -> None:
    name = """it's <b> & "quoted" &amp;"""
    tags = Tags()
    tags.feed(line_chart(LineChart("t", "x", "y", [Series(name, [(0.0, 1.0)])])))
    data = json.loads(str(dict(tags.attributes)["data-chart"]))
    assert data["series"][0]["name"] == name


def test_neighbours_of_one_shade_are_one_rectangle() -> None:
    columns = [str(n) for n in range(80)]
    flat = HeatMap("t", "x", "y", columns, ["a", "b"], [[1.0] * 80, [1.0] * 40 + [9.0] * 40])
    assert heat_map(flat).count("<rect") == 3


def test_the_largest_heat_map_leaves_room_for_the_rest_of_a_page() -> None:
    """Of 200 layers and 80 columns that all differ from their neighbours."""
    cells = [[1e-9 * 7919 ** ((m * 80 + n) % 5 + 0.123) for n in range(80)] for m in range(200)]
    names = [f"residual_{m}.residual_1.dense_1" for m in range(200)]
    drawn = heat_map(HeatMap("t", "x", "y", [str(n) for n in range(80)], names, cells))
    assert drawn.count("<rect") == 16_000
    assert len(drawn) < 1_800_000


@pytest.mark.parametrize(
    ("name", "room", "expected"),
    [("dense_1", 18, "dense_1"), ("dense_1", 4, "…e_1"),
     ("residual_24.layer_norm_1", 18, "…l_24.layer_norm_1"),
     ("residual_4.residual_1.residual_1.dense_1", 18, "residual_4…dense_1")],
)  # fmt: skip
def test_short_names_tell_layers_apart(name: str, room: int, expected: str) -> None:
    assert short(name, room) == expected


def test_paper_shows_the_keys_of_a_legend() -> None:
    """Browsers print no backgrounds unless they are told to."""
    printed = STYLE[STYLE.index("@media print") :]
    assert re.search(r"\.key \{ print-color-adjust: exact;", printed)


def test_a_heat_map_of_very_many_layers_reaches_the_loss_and_says_how_many_it_shows() -> None:
    layers = [{"name": f"dense_{n}", "delta_norm": 0.5} for n in range(1, 262)]
    _, heat, *_ = flow([{"step": step, "layers": layers} for step in (1, 2)])
    assert isinstance(heat, HeatMap)
    assert (len(heat.rows), heat.rows[0], heat.rows[-1]) == (200, "dense_1", "dense_261")
    assert "of 200 of 261 layers" in heat.title


@pytest.mark.parametrize(
    ("slope", "depth", "words"),
    [(-1.429, 12, "4.17 times smaller a layer back"), (0.04, 12, "the same in all layers"),
     (-0.03, 261, "1.030 times smaller a layer back"), (0.0, 1000, "the same in all layers")],
)  # fmt: skip
def test_a_little_in_each_of_many_layers_is_not_the_same(
    slope: float, depth: int, words: str
) -> None:
    assert slope_in_words(slope, "back", depth) == words


def test_only_long_names_of_rows_may_break() -> None:
    drawn = table(["layer", "type"], [["dense_1", "dense"], ["residual_1.layer_norm_1", "x"]])
    assert '<th scope="row">dense_1</th>' in drawn
    assert '<th scope="row" class="long">residual_1.layer_norm_1</th>' in drawn
