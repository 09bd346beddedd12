"""`--layers FILE.py`: layers of the user's own, and what goes wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import SPEC, inside, results, write_spec

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


@pytest.fixture
def scaled(folder: Path) -> Path:
    (folder / "mine.py").write_text(SCALE)
    write_spec(folder, SPEC.replace("tanh,", "{scale: 2.0}, tanh,"), "small.yaml")
    return folder


def test_a_layer_of_ones_own_is_shown_trained_and_used(scaled: Path) -> None:
    mine = ("--layers", "mine.py")
    document = results("show", "small.yaml", *mine)
    assert document["layers"][1]["name"] == "scale_1"
    assert document["layers"][1]["arrays"] == {"scale": [4]}
    run = results("train", "small.yaml", "-q", *mine)
    assert results("evaluate", run["run"], *mine)["test"] == run["test"]
    assert inside("train", "--resume", run["run"], *mine).returncode == 0


def test_without_the_file_the_layer_is_unknown(scaled: Path) -> None:
    ended = inside("show", "small.yaml")
    assert ended.returncode == 2
    assert "unknown layer 'scale'" in ended.stderr


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("class Scale", "clas Scale", "mine.py:3: "),
        ("import bpcli", "import bpclj", "mine.py:1: "),
        ("* cache)", "* cash)", "mine.py:18: in backward: NameError"),
        ('parameters["scale"], inputs', 'parameters["scal"], inputs', "mine.py:15: in forward"),
        ("class Scale(bpcli.Layer)", "class Scale", "at least one class"),
    ],
)
def test_mistakes_in_the_file_have_their_line(
    scaled: Path, before: str, after: str, place: str
) -> None:
    (scaled / "mine.py").write_text(SCALE.replace(before, after))
    ended = inside("train", "small.yaml", "-q", "--layers", "mine.py")
    assert ended.returncode == 2
    assert place in ended.stderr


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ('(input_shape[-1:], "hee")', "scale_1.scale cannot start so: there is no init 'hee'"),
        ("input_shape[-1]", "scale_1.scale must be declared as (shape, init), received 4"),
    ],
)
def test_parameters_that_cannot_be_made_are_said_at_the_layer(
    scaled: Path, declared: str, message: str
) -> None:
    start = '(input_shape[-1:], {"constant": self.start})'
    (scaled / "mine.py").write_text(SCALE.replace(start, declared))
    ended = inside("show", "small.yaml", "--layers", "mine.py")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.startswith("small.yaml:")


@pytest.mark.parametrize("file", ["missing.py", "small.yaml", "."])
def test_what_is_no_layers_file(scaled: Path, file: str) -> None:
    ended = inside("show", "small.yaml", "--layers", file)
    assert ended.returncode == 2
    assert file in ended.stderr
