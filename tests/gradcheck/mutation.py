"""What a wrong backward pass of the suite is: a layer, where it stands, and its right hint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpcli.gradcheck import Result, check
from bpcli.network import Network
from bpcli.network.layer import Array
from bpcli.spec import layers as spec
from bpcli.spec.layers import LayerOptions
from bpcli.spec.optimization import CrossEntropy

CLASSES, EXAMPLES, SYMBOLS = 4, 16, 9
Build = Callable[[], tuple[LayerOptions, ...]]


@dataclass(frozen=True)
class Mutation:
    """``layers`` end before a dense layer that gives the classes; ``guilty`` is the path of the
    wrong one; ``hint`` what its hint must say; "" where no hypothesis covers it."""

    name: str
    layers: Build
    guilty: str
    hint: str
    shape: tuple[int, ...] = (6,)

    @property
    def codes(self) -> bool:
        return self.shape == ()


def data(shape: tuple[int, ...], seed: int = 0) -> tuple[Array, Array]:
    """Random examples; of shape () sequences of five codes."""
    random = np.random.default_rng(seed)
    inputs: Any = random.standard_normal((EXAMPLES, *shape))
    if shape == ():
        inputs = random.integers(0, SYMBOLS, (EXAMPLES, 5))
    return inputs, random.integers(0, CLASSES, EXAMPLES)


def checked(mutation: Mutation) -> Result:
    inputs, targets = data(mutation.shape)
    layers = mutation.layers()
    network = Network((*layers, spec.Flatten(), spec.Dense(CLASSES)), CrossEntropy(),
                      inputs.shape[1:], seed=3)  # fmt: skip
    return check(network, inputs, targets)


def hint_of(mutation: Mutation, result: Result) -> str:
    """Every hint for the guilty layer, and its broken promises."""
    if result.failure is not None:
        return result.failure.message
    mine = [fault for fault in result.faults if fault.layer == mutation.guilty]
    return " | ".join(fault.hint or fault.message for fault in mine)
