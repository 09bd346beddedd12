"""Networks at the edges: a single unit or example, values of extreme size, nothing that depends on
anything. What is right is never called wrong; what a method cannot tell it says so."""

from __future__ import annotations

import numpy as np
import pytest

from bpcli.gradcheck import NonFiniteForward, check
from bpcli.network import Network
from bpcli.network.layer import Array
from bpcli.spec import layers as spec
from bpcli.spec.layers import LayerOptions
from bpcli.spec.optimization import CrossEntropy, MeanSquaredError

HUGE, TINY = {"normal": {"std": 1e30}}, {"normal": {"std": 1e-30}}
CASES: dict[str, tuple[LayerOptions, ...]] = {
    "one unit": (spec.Dense(1), spec.Relu(), spec.Dense(3)),
    "softmax of one unit": (spec.Dense(1), spec.Softmax(), spec.Dense(3)),
    "layer norm of one unit": (spec.Dense(1), spec.LayerNorm(), spec.Dense(3)),
    "no parameters": (spec.Tanh(),),
    "all frozen": (spec.Dense(3, freeze=("weight", "bias")), spec.Tanh(), spec.Dense(3)),
    "zero weights": (spec.Dense(4, init="zeros"), spec.Relu(), spec.Dense(3, init="zeros")),
    "dead units": (spec.Dense(4, bias={"constant": -1e6}), spec.Relu(), spec.Dense(3)),
    "dropout before a kink": (spec.Dense(4), spec.Dropout(0.9), spec.Relu(), spec.Dense(3)),
    "saturated": (spec.Dense(4, init={"normal": {"std": 1e3}}), spec.Sigmoid(), spec.Dense(3)),
    "huge weights": (spec.Dense(4, init=HUGE), spec.Relu(), spec.Dense(3)),
    "tiny weights": (spec.Dense(4, init=TINY), spec.Relu(), spec.Dense(4, init=TINY), spec.Relu(),
                     spec.Dense(3)),
}  # fmt: skip


def data(scale: float = 1.0, examples: int = 16) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return scale * random.standard_normal((examples, 3)), random.integers(0, 3, examples)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_complex_steps_pass_it(name: str, scale: float) -> None:
    inputs, targets = data(scale)
    network = Network(CASES[name], CrossEntropy(), (3,), dtype="float64", seed=1)
    result = check(network, inputs, targets)
    assert result.verdict == "pass", result
    assert result.max_relative_error <= 1e-9


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", [1.0, 1e30])
def test_central_differences_never_call_it_wrong(name: str, scale: float) -> None:
    inputs, targets = data(scale)
    network = Network(CASES[name], CrossEntropy(), (3,), dtype="float64", seed=1)
    result = check(network, inputs, targets, method="central")
    extreme = scale != 1 or name in ("huge weights", "tiny weights")
    assert result.verdict == "pass" or (result.verdict == "inconclusive" and extreme), result


def test_one_example() -> None:
    inputs, targets = data(examples=1)
    network = Network(CASES["one unit"], CrossEntropy(), (3,), dtype="float64")
    assert check(network, inputs, targets).verdict == "pass"


def test_a_loss_that_float32_cannot_hold_is_no_wrong_gradient() -> None:
    inputs, _ = data(1e30)
    network = Network((spec.Dense(1),), MeanSquaredError(), (3,), dtype="float32")
    with pytest.raises(NonFiniteForward, match="not finite in float32, the precision that trains"):
        check(network, inputs.astype(np.float32), np.ones((16, 1), np.float32))
