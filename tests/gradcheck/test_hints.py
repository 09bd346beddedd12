"""Hints for mistakes of a layer's own that the mutation suite does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bpcli.gradcheck import check
from bpcli.network import Network
from bpcli.network.layers.dense import Dense
from bpcli.spec import layers as spec
from bpcli.spec.optimization import CrossEntropy


class Wrong(Dense):
    """A dense layer whose weight gets what ``by_weight`` makes of inputs and gradient, and whose
    bias what ``by_bias`` makes of the gradient."""

    def by_weight(self, inputs: Any, delta: Any) -> Any:
        return inputs.T @ delta

    def by_bias(self, delta: Any) -> Any:
        return delta.sum(axis=0)

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        gradients["weight"][...] = self.by_weight(cache, output_gradient)
        gradients["bias"][...] = self.by_bias(output_gradient)
        return output_gradient @ parameters["weight"].T


class FixedFactor(Wrong):
    def by_weight(self, inputs: Any, delta: Any) -> Any:
        return inputs.T @ delta / 8


class NearlyOne(Wrong):
    def by_weight(self, inputs: Any, delta: Any) -> Any:
        return inputs.T @ delta * (1 + 1e-7)


class InFloat32(Wrong):
    def by_weight(self, inputs: Any, delta: Any) -> Any:
        return inputs.T.astype(np.float32) @ delta.astype(np.float32)


class MeanOfAll(Wrong):
    def by_bias(self, delta: Any) -> Any:
        return delta.mean()


class KeepsTheInputsBefore(Wrong):
    """Keeps inputs on itself, and takes those of the pass before."""

    now: Any = None

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        self.old, self.now = inputs if self.now is None else self.now, inputs.copy()
        return super().forward(inputs, parameters, training=training, random=random)

    def by_weight(self, inputs: Any, delta: Any) -> Any:
        same = self.old.shape == inputs.shape
        return (self.old if same else inputs).T @ delta


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        (FixedFactor, "a constant factor of 0.125"),
        (NearlyOne, "a constant factor of 1 + 1e-07"),
        (InFloat32, "its values are float32 numbers"),
        (MeanOfAll, "averaged over all axes and the batch"),
        (KeepsTheInputsBefore, "equals the gradient of another batch"),
    ],
)
def test_the_hint_says_it(layer: type[Wrong], hint: str) -> None:
    random = np.random.default_rng(0)
    inputs, targets = random.standard_normal((16, 5)), random.integers(0, 3, 16)
    layers = (spec.Dense(6), layer(4), spec.Dense(3))
    result = check(Network(layers, CrossEntropy(), (5,)), inputs, targets)
    assert result.verdict == "fail"
    wrong = {each.name: each.hint for each in result.parameters if each.verdict == "fail"}
    assert any(hint in text for text in wrong.values()), wrong
