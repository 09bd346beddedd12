"""Logs of other frameworks: what PyTorch wrote is read and judged, what is none is refused."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpcli.diagnosis.log import diagnose_log, read_log
from bpcli.errors import DataError
from bpcli.report.diagnosis import diagnosis_report

LOGS = Path(__file__).parents[1] / "reference" / "gradients"
LAYERS = [{"name": "a", "gradient_norm": 1.0}, {"name": "b", "gradient_norm": 1.0}]


def log(folder: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines]
    path = folder / "gradients.jsonl"
    path.write_text("".join(texts), encoding="utf-8")
    return path


def line(step: int = 1, **figures: Any) -> dict[str, Any]:
    """A line whose first layer has these figures."""
    return {"step": step, "layers": [LAYERS[0] | figures, LAYERS[1]]}


# what PyTorch wrote


def test_a_deep_sigmoid_network_of_pytorch_vanishes() -> None:
    found = diagnose_log(LOGS / "deep_sigmoid.jsonl")
    (finding,) = found.findings
    assert (finding.name, finding.severity) == ("vanishing-gradient", "error")
    assert finding.layers[0] == "hidden.0"
    assert finding.first_step == 1
    assert found.flow.as_json()["gradient_slope"] == pytest.approx(-2.02, abs=0.01)
    assert "hidden.0" in found.evidence.standing_still()


@pytest.mark.parametrize("name", ["relu_he", "convolutions", "residual"])
def test_networks_of_pytorch_that_learn_are_healthy(name: str) -> None:
    assert diagnose_log(LOGS / f"{name}.jsonl").findings == ()


def test_the_overflow_of_pytorch_is_seen() -> None:
    (finding,) = diagnose_log(LOGS / "overflow.jsonl").findings
    assert finding.name == "exploding-activation"
    assert finding.evidence["symptoms"] == ["non-finite"]
    assert "grows to 6.2e+29" in finding.message


def test_blocks_count_once_and_normalization_not_at_all() -> None:
    blocks = diagnose_log(LOGS / "residual.jsonl").evidence
    assert blocks.trunk == ("0", "1", "2", "3", "4", "5", "6", "7")
    assert diagnose_log(LOGS / "convolutions.jsonl").evidence.trunk == ("0", "3", "6", "10")


# what a log may be


def test_the_least_that_a_log_may_hold(tmp_path: Path) -> None:
    lines = [{"step": step, "layers": LAYERS} for step in (1, 10, 500)]
    assert diagnose_log(log(tmp_path, *lines)).findings == ()


def test_vanishing_is_seen_in_gradient_norms_alone(tmp_path: Path) -> None:
    layers = [{"name": f"layer{n}", "gradient_norm": 10.0 ** (n - 8)} for n in range(8)]
    lines = [{"step": step, "layers": layers} for step in range(1, 4)]
    assert [each.name for each in diagnose_log(log(tmp_path, *lines)).findings] == [
        "vanishing-gradient"
    ]


@pytest.mark.parametrize("end", ['{"step": 2, "lay', '{"step": 2', "{"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, end: str) -> None:
    assert [each["step"] for each in read_log(log(tmp_path, line(), end))] == [1]


def test_fields_that_nobody_knows_are_ignored(tmp_path: Path) -> None:
    path = log(tmp_path, line(histogram=[1, 2], note="x") | {"host": "a", "loss": "1", "epoch": []})
    assert diagnose_log(path).findings == ()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1" + 400 * "0"])
def test_values_that_are_not_finite_have_a_first_place(tmp_path: Path, value: str) -> None:
    text = json.dumps(line(2) | {"epoch": 3}).replace("1.0", value, 1) + "\n"
    (finding,) = diagnose_log(log(tmp_path, line(), text)).findings
    assert (finding.name, finding.layers, finding.first_step) == ("non-finite", ("a",), 2)


@pytest.mark.parametrize(("losses", "named"), [((1, 9, 7, 8), True), ((1, 9, 1.5, 8), False)])
def test_a_short_log_that_blows_up(tmp_path: Path, losses: list[float], named: bool) -> None:
    """Too few lines for averages: the loss must be far above the first one and stay there."""
    lines = [
        {**line(step, update_ratio=0.9, delta_norm=1.0), "loss": loss}
        for step, loss in enumerate(losses, 1)
    ]
    found = [finding.name for finding in diagnose_log(log(tmp_path, *lines)).findings]
    assert found == (["learning-rate-too-high"] if named else [])


def test_a_share_that_is_nan_is_unknown(tmp_path: Path) -> None:
    shares = {"dead_units": math.nan, "saturated": math.nan}
    assert diagnose_log(log(tmp_path, line(**shares), line(2, **shares))).findings == ()


def test_null_is_unknown_or_names_its_place(tmp_path: Path) -> None:
    unknown = line(gradient_norm=None, delta_norm=1.0)
    assert diagnose_log(log(tmp_path, unknown)).findings == ()
    lost = unknown | {"non_finite": ["layers.0.gradient_norm"]}
    assert math.isnan(read_log(log(tmp_path, lost))[0]["layers"][0]["gradient_norm"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no line"),
        ("{\n{}\n", ":1: is not JSON"),
        ("[]\n", ":1: is not an object"),
        ('{"layers": []}\n', "`step` must be a whole number, received None"),
        ('{"step": true, "layers": []}\n', "received True"),
        ('{"step": 1.5, "layers": []}\n', "received 1.5"),
        ('{"step": 1}\n', "`layers` must be a list"),
        ('{"step": 1, "layers": [{}]}\n', "needs a `name`"),
        ('{"step": 1, "layers": [{"name": "a"}]}\n', "layer 'a' needs a `gradient_norm`"),
        (json.dumps(line(delta_norm="1")) + "\n", "`delta_norm` of layer 'a' must be a number"),
        (json.dumps(line(time_norms="abc")) + "\n", "`time_norms` of layer 'a' must be a list"),
        (json.dumps(line(time_norms=[1, "x"])) + "\n", "`time_norms` of layer 'a' must be a list"),
        (100_000 * "[" + "\n", ":1: is not JSON"),
        (json.dumps(line(dead_units=math.inf)) + "\n", "`dead_units` is a share from 0 to 1"),
        (json.dumps(line(dead_units=10**400)) + "\n", "`dead_units` is a share from 0 to 1"),
        (json.dumps(line(saturated=-0.1)) + "\n", "from 0 to 1, received -0.1; layer 'a'"),
        (json.dumps(line(gradient_norm=-5)) + "\n", "`gradient_norm` cannot be negative; layer"),
        (json.dumps(line(update_ratio=-1e-3)) + "\n", "`update_ratio` cannot be negative"),
        (json.dumps(line(time_norms=[1, -1])) + "\n", "`time_norms` cannot be negative"),
    ],
)
def test_what_is_no_log(tmp_path: Path, text: str, message: str) -> None:
    path = log(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_log(path)
    assert message in str(error.value)
    assert '{"step": 1, "layers": [' in str(error.value)


# long ones


def test_of_a_long_log_lines_at_equal_distances_are_read(tmp_path: Path, monkeypatch: Any) -> None:
    """The first ten, the last, and some at equal distances; a torn end is left out still."""
    monkeypatch.setattr("bpcli.diagnosis.log._MOST_LINES", 200)
    path = log(tmp_path, *({"step": step, "layers": LAYERS} for step in range(1, 504)))
    steps = [each["step"] for each in read_log(path)]
    assert steps == [*range(1, 11), *range(12, 504, 4), 503]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 504, "lay')
    assert read_log(path)[-1]["step"] == 500


def test_few_lines_of_many_layers_are_thinned_out_too(tmp_path: Path, monkeypatch: Any) -> None:
    wide = json.dumps([{"name": f"layer_{n}", "gradient_norm": 0.1} for n in range(100)])
    lines = [f'{{"step": {step}, "layers": {wide}}}\n' for step in range(1, 101)]
    monkeypatch.setattr("bpcli.diagnosis.log._MOST_CHARACTERS", 40 * len(lines[0]))
    steps = [each["step"] for each in read_log(log(tmp_path, *lines))]
    assert steps == [*range(1, 11), *range(12, 101, 4)]
    monkeypatch.setattr("bpcli.diagnosis.log._MOST_CHARACTERS", 5 * len(lines[0]))
    assert [each["step"] for each in read_log(log(tmp_path, *lines))] == [*range(1, 11), 100]


def test_a_line_that_never_ends_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = log(tmp_path, line(), '{"step": 2, "layers": [' + "1," * 3_000_000)
    with pytest.raises(DataError, match=":2: a line holds at most 4,194,304 characters"):
        read_log(path)


def test_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_log(tmp_path)
    path = tmp_path / "gradients.jsonl"
    path.write_bytes(b'\xff\xfe{"step": 1}\n')
    with pytest.raises(DataError, match="cannot be read"):
        read_log(path)
    with pytest.raises(DataError, match="no such file"):
        read_log(tmp_path / "other.jsonl")


def test_hundreds_of_layers_are_diagnosed_in_time_that_grows_with_them(tmp_path: Path) -> None:
    """Of each layer every figure; 3,000 of them would take minutes where time is quadratic."""
    figures = {"gradient_norm": 1.0, "delta_norm": 1.0, "update_ratio": 1e-3, "weight_norm": 1.0}
    layers = [{"name": f"layer_{n}", **figures} for n in range(3000)]
    lines = [{"step": step, "loss": 1.0 / step, "layers": layers} for step in range(1, 4)]
    assert diagnose_log(log(tmp_path, *lines)).findings == ()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_log_leads_to_a_diagnosis_or_a_data_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Pieces of a log that PyTorch wrote are cut out, put elsewhere and replaced."""
    name = data.draw(st.sampled_from(["deep_sigmoid", "overflow", "residual"]))
    text = "".join((LOGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(True)[:4])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        piece = data.draw(st.sampled_from(PIECES) | st.just(text[start:end]) | st.text(max_size=3))
        text = text[:start] + piece + text[end:]
    path = tmp_path_factory.mktemp("log") / "gradients.jsonl"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(DataError):
        diagnosis_report(diagnose_log(path), [])


PIECES = ["null", "NaN", "-Infinity", "1e999", "-1", "0", "true", '"x"', "[]", "{}", "[[", ",", ":",
          '"step": ', '"time_norms": [1, null, NaN], ', '"layers": ', '"loss": "a", ', "\n", "\x00",
          '"type": 3, ', '"type": null, ', "9" * 400, '"name": "", ', '"dead_units": 2, ',
          '"saturated": -3, ', '"non_finite": ["layers.0.delta_norm", 3], ',
          '"step": 99999999999999999999, ', "\udc80"]  # fmt: skip
