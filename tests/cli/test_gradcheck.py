"""`bpcli gradcheck`: its verdict, its exit code, what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import SPEC, bpcli, inside, results, strict_json, write_spec

SCALE = '''\
import bpcli

class Scale(bpcli.Layer):
    """y = x * scale, one scale a feature."""
    name = "scale"
    start: float = 1.0

    def parameters(self, input_shape):
        return {"scale": (input_shape[-1:], {"constant": self.start})}

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, inputs, parameters, *, training, random):
        return inputs * parameters["scale"], inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["scale"][...] = (output_gradient * cache).sum(axis=0)
        return output_gradient * parameters["scale"]
'''
MINE = ("--layers", "mine.py")


@pytest.fixture
def scaled(folder: Path) -> Path:
    (folder / "mine.py").write_text(SCALE)
    write_spec(folder, SPEC.replace("tanh,", "{scale: 2.0}, tanh,"), "small.yaml")
    return folder


def broken(folder: Path, before: str, after: str) -> None:
    assert before in SCALE
    (folder / "mine.py").write_text(SCALE.replace(before, after))


def test_a_right_network_passes(folder: Path) -> None:
    document = results("gradcheck", "small.yaml")
    assert document["verdict"] == "pass"
    assert document["method"] == "complex"
    assert [p["name"] for p in document["parameters"]] == [
        "dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias",
    ]  # fmt: skip
    assert sum(p["checked"] for p in document["parameters"]) == 2 * 4 + 4 + 4 * 3 + 3
    assert document["max_relative_error"] <= 1e-12
    assert all(p["hint"] is None for p in document["parameters"])


def test_people_get_a_table_and_the_reason_for_backpropagation(folder: Path) -> None:
    ended = inside("gradcheck", "small.yaml")
    assert ended.returncode == 0
    assert "dense_1.weight    2×4" in ended.stdout
    assert "pass: 4 parameters, 27 elements, worst relative error" in ended.stdout
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("backpropagation ")
    assert last.endswith(" times")
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_central_differences_and_projections(folder: Path) -> None:
    assert results("gradcheck", "small.yaml", "--method", "central")["method"] == "central"
    quick = results("gradcheck", "small.yaml", "--quick")
    assert {p["checked"] for p in quick["parameters"]} == {0}
    assert results("gradcheck", "small.yaml", "--all")["every_element"] is True


def test_names_give_way_at_their_start_and_what_is_projected_is_not_counted(folder: Path) -> None:
    network = "[{residual: [{residual: [{residual: [{dense: 2}, batch_norm]}]}]}, {dense: 3}]"
    write_spec(folder, SPEC.replace("[{dense: 4}, tanh, {dense: 3}]", network), "deep.yaml")
    for arguments, columns in (((), "shape  checked  worst"), (("--quick",), "shape  worst")):
        ended = inside("gradcheck", "deep.yaml", *arguments)
        lines = ended.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert columns in ended.stdout
        assert [line for line in lines if line.startswith("…") and ".dense_1.bias " in line]


def test_every_element_and_none_cannot_go_together(folder: Path) -> None:
    ended = inside("gradcheck", "small.yaml", "--all", "--quick")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "give one of them" in ended.stderr


def test_a_layer_of_ones_own_passes(scaled: Path) -> None:
    document = results("gradcheck", "small.yaml", *MINE)
    assert "scale_1.scale" in [p["name"] for p in document["parameters"]]


def test_a_wrong_layer_is_named_with_its_mistake_and_line(scaled: Path) -> None:
    broken(scaled, ".sum(axis=0)", ".mean(axis=0)")
    ended = inside("gradcheck", "small.yaml", *MINE)
    assert ended.returncode == 1
    assert "scale_1.scale  4  4 checked" in ended.stdout
    assert "ratio 0.1250 everywhere" in ended.stdout
    assert "looks like: divided by the batch (8) once too often" in ended.stdout
    assert "in mine.py:17, given a right incoming gradient" in ended.stdout
    assert "FAIL: wrong by itself: scale_1" in ended.stdout
    document = strict_json(inside("gradcheck", "small.yaml", *MINE, "--format", "json").stdout)
    assert document["verdict"] == "fail"
    wrong = [p for p in document["parameters"] if p["verdict"] == "fail"]
    assert [p["name"] for p in wrong] == ["scale_1.scale"]
    assert wrong[0]["worst"]["analytic"] == pytest.approx(wrong[0]["worst"]["numeric"] / 8)
    assert "a mean where the sum belongs" in wrong[0]["hint"]


def test_layers_before_a_wrong_one_are_not_blamed(scaled: Path) -> None:
    broken(scaled, 'return output_gradient * parameters["scale"]', "return output_gradient")
    ended = inside("gradcheck", "small.yaml", *MINE)
    assert ended.returncode == 1
    assert "wrong, from scale_1" in ended.stdout
    assert "FAIL: wrong by itself: scale_1" in ended.stdout


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("* cache)", "* cash)", "mine.py:18: NameError"),
        ('parameters["scale"], inputs', 'parameters["scal"], inputs', "mine.py:15: KeyError"),
        ('return inputs * parameters["scale"], inputs', "return inputs[:, 1:], inputs",
         "mine.py:14: must give outputs of shape (8, 4), gave (8, 3)"),
        ("return input_shape", "return input_shape[7]", "mine.py:12: IndexError"),
        ("return input_shape", "return None",
         "mine.py:11: TypeError: output_shape must give a tuple of sizes, gave None"),
    ],
)  # fmt: skip
def test_code_that_fails_is_a_failure_with_its_line(
    scaled: Path, before: str, after: str, place: str
) -> None:
    (scaled / "mine.py").write_text(SCALE.replace(before, after, 1))
    ended = inside("gradcheck", "small.yaml", *MINE)
    assert ended.returncode == 1
    assert "FAIL" in ended.stdout
    assert place in ended.stdout
    document = strict_json(inside("gradcheck", "small.yaml", *MINE, "--format", "json").stdout)
    assert document["verdict"] == "fail"
    assert document["failure"]["file"] == "mine.py"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("def backward", "def backwards", "mine.py:3: Scale has no method `backward`"),
        ("def forward", "def forwards", "mine.py:3: Scale has no method `forward`"),
        ("*, training, random", "*, training", "mine.py:14: Scale.forward must take (self, inputs"),
        ("class Scale", "clas Scale", "mine.py:3: "),
        ("import bpcli", "import bpclj", "mine.py:1: "),
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_usage(
    scaled: Path, before: str, after: str, message: str
) -> None:
    (scaled / "mine.py").write_text(SCALE.replace(before, after, 1))
    ended = inside("gradcheck", "small.yaml", *MINE)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stdout == ""


def test_a_forward_pass_that_is_not_finite_is_an_error(folder: Path) -> None:
    wild = SPEC.replace(
        "{dense: 4}, tanh", "{dense: {units: 4, init: {constant: 1e9}}}, exponential"
    )
    write_spec(folder, wild, "wild.yaml")
    ended = inside("gradcheck", "wild.yaml")
    assert ended.returncode == 2
    assert "not finite, first in exponential_1" in ended.stderr


def test_progress_with_the_time_left_goes_to_stderr() -> None:
    from bpcli.report.gradcheck_progress import CheckProgress

    lines: list[str] = []
    progress = CheckProgress(lines.append, in_place=False)
    progress(1.0, 4.0)
    assert lines == []  # a short check says nothing
    progress._next = 0.0
    progress(1.0, 4.0)
    assert lines[0].startswith("checking every element:  25%, ")
    assert lines[0].endswith(" left\n")
    progress.clear()
    assert len(lines) == 1


def test_the_program_by_itself(folder: Path) -> None:
    ended = bpcli("gradcheck", "small.yaml", "--format", "json", folder=folder)
    assert ended.returncode == 0
    assert strict_json(ended.stdout)["verdict"] == "pass"
    assert ended.stderr == ""
