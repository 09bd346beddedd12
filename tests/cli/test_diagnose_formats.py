"""What `bpcli diagnose` gives to programs: JSON, annotations, exit codes, what may be left out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .program import Ended, bpcli, inside, strict_json

HEALTHY = """\
data: {generate: {circles: {samples: 200}}}
network: [{dense: 16}, tanh, {dense: 2}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.01}}
training: {epochs: 5, batch_size: 20}
"""
DEEP = """\
name: deep
data: {generate: {circles: {samples: 200}}}
network:
  - dense: 16
  - sigmoid
  - repeat: {times: 9, layers: [{dense: 16}, sigmoid]}
  - dense: 2
loss: cross_entropy
optimizer: {sgd: {learning_rate: 0.1}}
training: {epochs: 5, batch_size: 20}
"""
HUGE = "{dense: {units: 16, init: {normal: {std: 1.0e+30}}}}"
OVERFLOW = HEALTHY.replace("{dense: 16}", f"{HUGE}, relu, {HUGE}")
LOG = [
    {"step": step, "loss": 0.7,
     "layers": [{"name": f"layer_{n}", "gradient_norm": 10.0 ** (n - 8)} for n in range(8)]}
    for step in range(1, 41)
]  # fmt: skip


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    return written(tmp_path / "deep.yaml", DEEP)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return written(tmp_path / "gradients.jsonl", "".join(json.dumps(line) + "\n" for line in LOG))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def names(ended: Ended) -> list[str]:
    return [finding["name"] for finding in strict_json(ended.stdout)["findings"]]


# JSON


def check_contract(document: dict[str, Any]) -> None:
    """The keys and types that programs rely on."""
    assert isinstance(document["healthy"], bool)
    errors = [each for each in document["findings"] if each["severity"] == "error"]
    assert document["healthy"] is not bool(errors)
    for finding in document["findings"]:
        assert re.fullmatch(r"BP\d{3}", finding["code"])
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", finding["name"])
        assert finding["severity"] in ("error", "warning", "info")
        assert all(isinstance(name, str) for name in finding["layers"])
        assert isinstance(finding["first_step"], int)
        assert finding["cause"] is None or isinstance(finding["cause"], str)
        assert finding["message"]
        assert isinstance(finding["evidence"], dict)
        for remedy in finding["remedies"]:
            assert remedy["description"]
            for change in remedy["changes"]:
                assert change["op"] in ("set", "insert", "remove", "wrap")
                assert isinstance(change["path"], str)
                assert "value" in change
    for layer in document["layers"]:
        assert isinstance(layer["name"], str)
        assert isinstance(layer["type"], str)
    assert set(document["flow"]) == {"gradient_slope", "gradient_slope_error", "activation_slope",
                                     "predicted_gradient_slope"}  # fmt: skip
    flagged = document.get("non_finite", [])
    assert len(flagged) == len(set(flagged))
    for place in flagged:
        value: Any = document
        for part in place.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
        assert value is None, place


def test_a_specs_json_has_what_was_promised(deep: Path) -> None:
    ended = inside("diagnose", deep, "--no-train", "--format", "json")
    document = strict_json(ended.stdout)
    check_contract(document)
    assert names(ended) == ["vanishing-gradient"]
    assert document["findings"][0]["remedies"]
    assert [layer["name"] for layer in document["layers"]] == [f"dense_{n}" for n in range(1, 12)]
    for layer in document["layers"]:
        for figure in ("gradient_norm", "delta_norm", "activation_rms", "weight_norm"):
            assert layer[figure] > 0
    assert document["flow"]["gradient_slope"] < -1
    assert document["flow"]["predicted_gradient_slope"] == pytest.approx(
        document["flow"]["gradient_slope"], abs=0.15
    )


def test_a_logs_json_has_what_was_promised(log: Path) -> None:
    document = strict_json(inside("diagnose", log, "--format", "json").stdout)
    check_contract(document)
    assert document["flow"]["predicted_gradient_slope"] is None
    assert document["flow"]["gradient_slope"] == pytest.approx(-2.302585)
    assert document["flow"]["gradient_slope_error"] == pytest.approx(0, abs=1e-9)


def test_numbers_that_are_not_finite_are_null_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "overflow.yaml", OVERFLOW)
    ended = inside("diagnose", path, "--no-train", "--format", "json")
    document = strict_json(ended.stdout)
    check_contract(document)
    second = [place for place in document["non_finite"] if place.startswith("layers.1.")]
    assert "layers.1.activation_rms" in second
    assert document["layers"][1]["activation_rms"] is None
    assert ended.returncode == 1


# annotations


def test_annotations_stand_at_the_layers_line(deep: Path) -> None:
    ended = inside("diagnose", deep, "--no-train", "--format", "github")
    (line,) = ended.stdout.splitlines()
    found = re.fullmatch(
        r"::(?:error|warning) file=(.+),line=(\d+),col=(\d+),title=(.+)::(.+)", line
    )
    assert found is not None, line
    file, number, column, title, message = found.groups()
    assert file == str(deep)
    assert DEEP.splitlines()[int(number) - 1][int(column) - 1 :].startswith("dense: 16")
    assert title == "BP101 vanishing-gradient"
    assert "%" not in message.replace("%25", "")


def test_what_annotations_give_a_meaning_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "a,b:c%d"
    folder.mkdir()
    path = written(folder / "gradients.jsonl", "".join(json.dumps(line) + "\n" for line in LOG))
    (line,) = inside("diagnose", path, "--format", "github").stdout.splitlines()
    assert "a%2Cb%3Ac%25d" in line
    assert "line=" not in line  # a log has no spec


def test_a_healthy_network_has_no_annotations(tmp_path: Path) -> None:
    path = written(tmp_path / "healthy.yaml", HEALTHY)
    ended = inside("diagnose", path, "--no-train", "--format", "github")
    assert (ended.returncode, ended.stdout) == (0, "")


# exit codes and what is left out


@pytest.mark.parametrize(
    ("fail_on", "code"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)]
)
def test_an_error_fails_unless_nothing_is_to(log: Path, fail_on: str, code: int) -> None:
    ended = inside("diagnose", log, "--fail-on", fail_on, "--format", "json")
    assert (ended.returncode, names(ended)) == (code, ["vanishing-gradient"])


@pytest.mark.parametrize(
    ("fail_on", "code"), [("error", 0), ("warning", 1), ("info", 1), ("never", 0)]
)
def test_a_warning_fails_where_it_is_to(tmp_path: Path, fail_on: str, code: int) -> None:
    """The loss falls, although half of a layer's units are dead."""
    figures = {"gradient_norm": 1.0, "delta_norm": 1.0, "update_ratio": 1e-3}
    layers = [{"name": "first", **figures, "dead_units": 0.9}, {"name": "second", **figures}]
    lines = [{"step": n, "loss": 1 / n, "layers": layers} for n in range(1, 41)]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    ended = inside("diagnose", path, "--fail-on", fail_on, "--format", "json")
    (finding,) = strict_json(ended.stdout)["findings"]
    assert (finding["name"], finding["severity"]) == ("dead-units", "warning")
    assert ended.returncode == code


@pytest.mark.parametrize("name", ["BP101", "bp101", "vanishing-gradient"])
def test_a_finding_is_ignored_by_its_code_or_name(log: Path, name: str) -> None:
    ended = inside("diagnose", log, "--ignore", name, "--format", "json")
    assert "vanishing-gradient" not in names(ended)


def test_a_spec_ignores_findings_too(tmp_path: Path) -> None:
    path = written(tmp_path / "deep.yaml", DEEP + "diagnosis: {ignore: [BP101]}\n")
    assert "vanishing-gradient" not in names(
        inside("diagnose", path, "--no-train", "--format", "json")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ignore", "vanishing-gradent"), "did you mean 'vanishing-gradient'?"),
        (("--ignore", "BP999"), "--ignore BP999: there is no such finding"),
        (("--set", "seed=1"), "--set and --seed are for a SPEC"),
        (("--seed", "1"), "--set and --seed are for a SPEC"),
        (("--fix", "b.yaml"), "--fix is for a SPEC"),
        (("--fail-on", "sometimes"), "'sometimes' is not one of"),
    ],
)
def test_what_does_not_go_together_is_refused(
    log: Path, arguments: tuple[str, ...], message: str
) -> None:
    ended = inside("diagnose", log, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in " ".join(ended.stderr.split())


# damaged logs and runs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no line"),
        ("\n\n \n", "holds no line"),
        ("{\n{}\n", ":1: is not JSON"),
        ('{"step": 1, "layers": [{"name": "a", "gradient_norm": "x"}]}\n', "must be a number"),
        ('{"step": "1", "layers": []}\n', "must be a whole number"),
        ('{"layers": [{"name": "a", "gradient_norm": 1}]}\n', "received None"),
        ("PK\x03\x04", "is not JSON"),
        ("[" * 100_000 + "\n", "is not JSON"),
    ],
)
def test_a_log_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = written(tmp_path / "gradients.jsonl", text)
    ended = inside("diagnose", path)
    if text.startswith("PK"):  # a torn last line, and nothing before it
        message = "holds no line"
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in " ".join(ended.stderr.split())
    assert "gradients.jsonl" in ended.stderr


def test_a_run_is_diagnosed_whose_log_lost_its_end_or_its_data(tmp_path: Path) -> None:
    written(tmp_path / "deep.yaml", DEEP)
    trained = bpcli("train", "deep.yaml", "--fail-on", "never", "--quiet", folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "runs" / "deep" / "1"
    gradients = run / "gradients.jsonl"
    whole = gradients.read_bytes()
    ended = inside("diagnose", run, "--format", "json")
    check_contract(strict_json(ended.stdout))
    assert names(ended) == ["vanishing-gradient"]
    gradients.write_bytes(whole[:-20])
    (run / "metrics.jsonl").write_text('{"epoch": 1, "st', encoding="utf-8")
    (run / "summary.json").unlink()
    assert names(inside("diagnose", run, "--format", "json")) == ["vanishing-gradient"]
    gradients.write_bytes(b"{}\n" + whole)
    ended = inside("diagnose", run)
    assert ended.returncode == 2
    assert "gradients.jsonl:1: `step` must be a whole number" in " ".join(ended.stderr.split())
    gradients.unlink()
    ended = inside("diagnose", run)
    assert ended.returncode == 2
    assert "gradients.jsonl: no such file" in " ".join(ended.stderr.split())
    (run / "spec.yaml").write_text("network: [", encoding="utf-8")
    gradients.write_bytes(whole)  # what a spec would tell is not needed
    assert names(inside("diagnose", run, "--format", "json")) == ["vanishing-gradient"]


@pytest.mark.parametrize("name", ["no_such_run", "empty"])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    ended = inside("diagnose", tmp_path / name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert name in ended.stderr
