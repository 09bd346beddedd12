"""What the command says of a layer of one's own that is no good: within 80 columns, with its place,
and without a traceback."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bpcli.cli.environment import Environment
from bpcli.cli.run import run

SPEC = """\
data: {generate: {blobs: {samples: 60, classes: 3}}}
network: [{dense: 8}, {own: 2.0}, tanh, {dense: 3}]
loss: cross_entropy
"""
LAYER = """\
import bpcli
import numpy as np

class Own(bpcli.Layer):
    name = "own"
    factor: float = 1.0

    def forward(self, inputs, parameters, *, training, random):
        {forward}

    def backward(self, cache, output_gradient, parameters, gradients):
        {backward}
"""
FORWARD, BACKWARD = "return inputs * self.factor, inputs", "return output_gradient * self.factor"
KEPT = """gradient = 2 * cache.inputs * output_gradient
        cache.inputs[...] = 0
        return gradient

class Kept:
    def __init__(self, inputs):
        self.inputs = inputs.copy()"""
RANDOM = "return inputs * np.random.random(inputs.shape), inputs"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended() -> tuple[int, str, str]:
    """Exit code, results and messages."""
    out, err = io.StringIO(), io.StringIO()
    code = run(["gradcheck", "spec.yaml", "--layers", "own.py"], Environment(out, err, {}))
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("forward", "backward", "told"),
    [
        (f"raise ValueError({'long ' * 60!r})", BACKWARD, "own.py:9: ValueError: long long"),
        (FORWARD, "return output_gradient @ cache", "own.py:12: ValueError: matmul"),
        ("return inputs[:, :3], inputs", BACKWARD, "outputs of shape (8, 8), gave (8, 3)"),
        (FORWARD, "return output_gradient.sum(axis=0)", "of shape (8, 8), gave (8,)"),
        (FORWARD, "pass", "own.py:11: returned None for the gradient by its inputs"),
        ("return inputs", BACKWARD, "own.py:8: must return (outputs, cache)"),
        ("import sys; sys.exit(3)", BACKWARD, "own.py:9: SystemExit: it ends the program, with 3"),
        (FORWARD, "raise SystemExit", "own.py:12: SystemExit: it ends the program, with None"),
        ("return self.forward(inputs, parameters, training=training, random=random)", BACKWARD,
         "own.py:9: RecursionError: maximum recursion depth exceeded"),
        ("if np.iscomplexobj(inputs): raise SystemExit\n        return -inputs, inputs",
         "return output_gradient", "sign flipped"),
        ("inputs *= 2; return inputs, None", BACKWARD, "changes its inputs, which it must leave"),
        ("return inputs.astype(np.float32), inputs", BACKWARD, "here float64, gave float32"),
        (FORWARD, "return output_gradient.astype(object)", "here float64, gave object"),
        (FORWARD, "return np.abs(output_gradient * self.factor)", "the signs are lost"),
        (FORWARD, "return np.clip(output_gradient * 2, -1e-3, 1e-3)", "beyond ±0.001 is clipped"),
        (FORWARD, "return output_gradient * 2 + 1e-3", "0.001 is added to every value"),
        ("return inputs ** 2, Kept(inputs)", KEPT, "a second backward pass gives other numbers"),
        (FORWARD, "return output_gradient * np.nan", "not finite: 64 of 64 elements"),
        (RANDOM, BACKWARD, "forward gives other outputs for the same inputs and random numbers"),
        (FORWARD, "return -output_gradient * self.factor", "sign flipped"),
        ("return np.abs(inputs), inputs", "return np.sign(cache) * output_gradient * 2",
         "factor of 2 too much"),
    ],
    ids=["forward raises", "backward raises", "outputs' shape", "gradient's shape", "None",
         "no cache", "forward exits", "backward exits", "recursion", "complex exits",
         "inputs changed", "float32", "objects", "no signs", "clipped", "added", "cache of its own",
         "nan", "random", "sign", "not analytic"],
)  # fmt: skip
def test_it_fails_and_is_told_why(folder: Path, forward: str, backward: str, told: str) -> None:
    (folder / "own.py").write_text(LAYER.format(forward=forward, backward=backward))
    code, out, err = ended()
    assert (code, err) == (1, "")
    assert "own_1" in out
    assert "FAIL" in out
    assert told in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_a_promise_of_forward_is_placed_at_forward(folder: Path) -> None:
    (folder / "own.py").write_text(LAYER.format(forward=RANDOM, backward=BACKWARD))
    _, out, _ = ended()
    lines = out.splitlines()
    said = next(i for i, line in enumerate(lines) if "forward gives other outputs" in line)
    assert lines[said + 1] == "  in own.py:8"


def test_nan_breaks_no_promise(folder: Path) -> None:
    content = LAYER.format(forward=FORWARD, backward="return output_gradient * np.nan")
    (folder / "own.py").write_text(content)
    _, out, _ = ended()
    assert "second backward pass" not in out
    assert "DISAGREE to ∞" in out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("import bpcli\nclass Own(bpcli.Layer:\n", "own.py:2: SyntaxError"),
        ("import bpcli\nimport not_there\n", "own.py:2: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit(0)\n", "own.py:2: SystemExit"),
        ("x = 1\n", "own.py: expected at least one class that inherits from bpcli.Layer"),
        (
            LAYER.format(forward=FORWARD, backward=BACKWARD).replace("backward(", "back("),
            "own.py:4: Own has no method `backward`",
        ),
        (
            LAYER.format(forward="return np.log(inputs - 100), inputs", backward=BACKWARD),
            "the forward pass gives values that are not finite, first in own_1 (network.1)",
        ),
    ],
    ids=["syntax", "import", "exit", "no layer", "no backward", "not finite"],
)
def test_it_cannot_be_checked(folder: Path, content: str, told: str) -> None:
    (folder / "own.py").write_text(content)
    code, out, err = ended()
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("output_shape", "output_shape must give a tuple of sizes, gave (8.0,)"),
        ("parameters", "the shape of own_1.scale must be a tuple of sizes, received (8.0,)"),
        ("state", "state of own_1 must give a dict, name -> (shape, init), gave (8.0,)"),
    ],
)
def test_what_a_layer_declares_must_be_shapes(folder: Path, method: str, told: str) -> None:
    given = {"parameters": "{'scale': ((8.0,), 'ones')}"}.get(method, "(8.0,)")
    declared = f"\n    def {method}(self, input_shape):\n        return {given}\n"
    (folder / "own.py").write_text(LAYER.format(forward=FORWARD, backward=BACKWARD) + declared)
    code, out, err = ended()
    assert code == (1 if method == "output_shape" else 2)
    assert told in " ".join((out + err).split())


def test_a_parameter_may_be_a_single_number(folder: Path) -> None:
    def layer(backward: str) -> str:
        forward = "return inputs * parameters['factor'], inputs"
        declared = (
            "\n    def parameters(self, input_shape):\n        return {'factor': ((), 'ones')}\n"
        )
        text = f"gradients['factor'][...] = {backward}\n        return output_gradient"
        text += " * parameters['factor']"
        return LAYER.format(forward=forward, backward=text) + declared

    (folder / "own.py").write_text(layer("(output_gradient * cache).sum()"))
    assert ended()[0] == 0
    (folder / "own.py").write_text(layer("(output_gradient * cache).mean()"))
    code, out, _ = ended()
    assert code == 1
    assert "divided by the batch and all its values (64) once too often" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_a_wrong_layer_does_not_hide_what_it_spoils(folder: Path) -> None:
    """Rounding is not carried back by a backward pass that is wrong."""
    wrong = "return output_gradient * self.factor + 1e-3"
    (folder / "own.py").write_text(LAYER.format(forward=FORWARD, backward=wrong))
    _, out, _ = ended()
    spoiled = [line for line in out.splitlines() if line.endswith("wrong, from own_1")]
    assert [line.split()[0] for line in spoiled] == ["dense_1.weight", "dense_1.bias", "inputs"]
