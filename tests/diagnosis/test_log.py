"""Logs of other frameworks: what PyTorch wrote is read and judged, what is none is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bpcli.diagnosis.log import diagnose_log, read_log
from bpcli.errors import DataError

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
    ],
)
def test_what_is_no_log(tmp_path: Path, text: str, message: str) -> None:
    path = log(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_log(path)
    assert message in str(error.value)
    assert '{"step": 1, "layers": [' in str(error.value)
