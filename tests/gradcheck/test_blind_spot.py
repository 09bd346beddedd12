"""Deep sigmoid networks: gradients so small that an absolute tolerance passes anything.

PyTorch, JAX and others miss a negated first gradient from about eight layers on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bpcli.gradcheck import Result, check
from bpcli.network import Network
from bpcli.network.layers import Dense
from bpcli.spec import layers as spec
from bpcli.spec.initializers import Normal
from bpcli.spec.optimization import CrossEntropy

INPUTS, WIDTH, CLASSES, EXAMPLES = 8, 16, 4, 16
DEPTHS = range(2, 17, 2)


class Negated(Dense):
    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["weight"][...] *= -1
        return given


class Larger(Dense):
    factor = 1 + 1e-4

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["weight"][...] *= self.factor
        return given


class Smaller(Larger):
    factor = 1 - 1e-4


def checked(depth: int, kind: type[spec.LayerOptions], at: int = 0, seed: int = 0) -> Result:
    """A sigmoid network with weights N(0, 1/inputs), its layer ``at`` of another kind."""
    random = np.random.default_rng([depth, seed])
    layers: list[spec.LayerOptions] = []
    for index in range(depth):
        deviation = 1 / np.sqrt(WIDTH if index else INPUTS)
        make: Any = kind if index == at else spec.Dense
        layers += [make(WIDTH, init=Normal(float(deviation))), spec.Sigmoid()]
    layers.append(spec.Dense(CLASSES))
    network = Network(layers, CrossEntropy(), (INPUTS,), dtype="float64", seed=seed)
    inputs = random.standard_normal((EXAMPLES, INPUTS))
    return check(network, inputs, random.integers(0, CLASSES, EXAMPLES))


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_negated_first_gradient_is_caught_and_named(depth: int) -> None:
    result = checked(depth, Negated)
    wrong = [each for each in result.parameters if each.verdict != "pass"]
    assert [each.name for each in wrong] == ["dense_1.weight"]
    assert wrong[0].hint == "sign flipped"
    assert wrong[0].max_relative_error == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("kind", [Larger, Smaller])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_factor_of_one_part_in_ten_thousand_is_caught(
    depth: int, kind: type[spec.LayerOptions]
) -> None:
    at = depth // 2
    result = checked(depth, kind, at)
    wrong = [each for each in result.parameters if each.verdict != "pass"]
    assert [each.name for each in wrong] == [f"dense_{at + 1}.weight"]
    assert "constant factor" in wrong[0].hint


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_right_gradient_passes_however_small(depth: int) -> None:
    result = checked(depth, spec.Dense)
    assert result.verdict == "pass"
    assert result.max_relative_error <= 1e-11


@pytest.mark.parametrize("mode", ["all", "quick"])
def test_rounding_is_not_said_to_hide_the_gradients_of_a_deep_network(mode: Any) -> None:
    inner = (spec.LayerNorm(), spec.Dense(WIDTH), spec.Tanh(), spec.Dense(WIDTH))
    layers = [spec.Dense(WIDTH), *(spec.Residual(inner) for _ in range(16)), spec.Dense(CLASSES)]
    network = Network(layers, CrossEntropy(), (INPUTS,), dtype="float64", seed=1)
    random = np.random.default_rng(2)
    inputs = random.standard_normal((EXAMPLES, INPUTS))
    result = check(network, inputs, random.integers(0, CLASSES, EXAMPLES), mode=mode)
    assert result.verdict == "pass"
    assert {each.name for each in result.parameters if each.note} == set()
