"""What a check does where a check of everything would take too long."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from bpcli.gradcheck import check, trial
from bpcli.network import Network
from bpcli.network.layer import Array
from bpcli.spec import layers as spec
from bpcli.spec.optimization import CrossEntropy

LAYERS = (spec.Dense(8), spec.Tanh(), spec.Residual((spec.Dense(8), spec.Relu())), spec.Dense(3))


def network(kind: type[Network] = Network) -> Network:
    return kind(LAYERS, CrossEntropy(), (4,), l2=0.01)


def data() -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return random.standard_normal((16, 4)), random.integers(0, 3, 16)


def test_an_estimate_that_proves_too_low_ends_in_projections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sys.modules["bpcli.gradcheck.check"]
    for name, value in {"LONGEST": 1e3, "_MEASURED": 0.0, "_LITTLE": 0.0}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(trial.Trial, "estimate", lambda self, enough: 999.0)
    result = check(network(), *data())
    assert not result.every_element
    assert result.verdict == "pass"
    assert result.numerical_seconds > 1e3
    assert all(tensor.projections for tensor in result.parameters)
    assert check(network(), *data(), mode="all").every_element


class OneTensorOff(Network):
    """Adds 1e-4 of itself to one gradient, though every layer is right."""

    def backward(self, output_gradient: Array) -> Array | None:
        input_gradient = super().backward(output_gradient)
        self.gradients["residual_1.dense_1.bias"][...] *= 1 + 1e-4
        return input_gradient

    def copy(self, dtype: object) -> Network:
        other = super().copy(dtype)  # type: ignore[arg-type]
        other.__class__ = OneTensorOff
        return other


@pytest.mark.parametrize("mode", ["all", "quick"])
def test_directions_taken_together_see_what_each_would_see(mode: str) -> None:
    result = check(network(), *data(), mode=mode)  # type: ignore[arg-type]
    assert result.verdict == "pass"
    assert all(tensor.projections == 1 for tensor in result.parameters)
    result = check(network(OneTensorOff), *data(), mode=mode)  # type: ignore[arg-type]
    assert [each.name for each in result.parameters if each.verdict == "fail"] == [
        "residual_1.dense_1.bias"
    ]
