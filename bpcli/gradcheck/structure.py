"""Which outputs of a layer depend on which inputs: found by trying, so it holds for any layer.

An axis of the inputs is *independent* if output i along it depends on input i along it alone: the
batch axis of most layers, all axes of an activation, the features of batch normalization. One
forward pass can then move all positions along such axes at once, and each keeps its own
derivative. The same holds between the last axis of a weight and that of the outputs, for layers
like dense and convolution: one pass moves a whole row of the weight.

Two positions differ in some binary digit of their numbers. So to move, digit by digit, all whose
digit is 1 at random, and then all whose digit is 0, tells whether any two of them mix.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.gradcheck.functions import INNER, INPUTS, LayerFunction
from bpcli.network.layer import Array, Shape

_COPIES = 3  # in a first stack
_EXACT, _ROUGH = 0.0, 1e-7  # what may leak, relative to the largest derivative


@dataclass
class Structure:
    """Of one layer: pairs of (axis of the target, axis of the outputs) that are independent."""

    shape: Shape  # of the outputs, the batch included
    pairs: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    stackable: bool = False  # whether several directions fit into one batch
    seconds: float = 0.0  # of one forward pass
    seconds_stacked: float = 0.0  # of one of several in a batch


def explore(function: LayerFunction, targets: list[str]) -> Structure:
    """Finds the structure of a layer by each of the targets, at the examples that it has."""
    random = default_rng(5)
    structure = Structure(function.outputs({}).shape, seconds=seconds_of_pass(function))
    for target in targets:
        structure.pairs[target] = [
            pair
            for pair in _candidates(function, target, structure.shape)
            if _independent(function, target, pair, random)
        ]
    of_batch = [(0, 0) in structure.pairs[t] for t in targets if t in (INPUTS, INNER)]
    if INPUTS in targets and all(of_batch):
        structure.stackable, structure.seconds_stacked = _stacks(function, random)
    return structure


def least_seconds(function: LayerFunction) -> float:
    """What the derivatives by everything take if all is as independent as it can be: known
    without exploring."""
    shape = function.outputs({}).shape
    targets = function.targets()
    structure = Structure(
        shape, {target: list(_candidates(function, target, shape)) for target in targets}
    )
    each = seconds_of_pass(function)
    return each * sum(passes(function, structure, target) for target in targets)


def seconds_of_pass(function: LayerFunction) -> float:
    targets = function.targets()
    if not targets:
        return 0.0
    direction = np.zeros(function.value(targets[0]).shape)
    return _timed(lambda: function.slope({targets[0]: direction}))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def seconds(function: LayerFunction, structure: Structure, target: str) -> float:
    """What the whole derivative by a target takes, about."""
    stacks = structure.stackable and target in (INPUTS, INNER)
    each = structure.seconds_stacked if stacks else structure.seconds
    return each * passes(function, structure, target)


def passes(function: LayerFunction, structure: Structure, target: str) -> int:
    """How many directions the whole derivative by a target takes."""
    value, pairs = function.value(target), structure.pairs[target]
    independent = {axis for axis, _ in pairs}
    return math.prod(n for axis, n in enumerate(value.shape) if axis not in independent)


def _candidates(function: LayerFunction, target: str, outputs: Shape) -> Iterator[tuple[int, int]]:
    shape = function.value(target).shape
    if not shape or not outputs:
        return
    last = (len(shape) - 1, len(outputs) - 1)
    if target in (INPUTS, INNER):
        common = range(min(len(shape), len(outputs)) - (shape[-1:] == outputs[-1:]))
        yield from ((axis, axis) for axis in common if shape[axis] == outputs[axis])
        if last[0] == 0 or last[1] == 0:
            return
    if shape[-1] == outputs[-1]:
        yield last


def _independent(
    function: LayerFunction, target: str, pair: tuple[int, int], random: Generator
) -> bool:
    axis, output_axis = pair
    value = function.value(target)
    count = value.shape[axis]
    numbers = np.arange(count)
    for digit in range(max(count - 1, 0).bit_length()):
        for moved in ((numbers >> digit) % 2 == 1, (numbers >> digit) % 2 == 0):
            direction = random.standard_normal(value.shape) * _along(moved, axis, value.ndim)
            slopes = np.abs(function.slope({target: direction}).values)
            others = np.compress(~moved, slopes, axis=output_axis)
            allowed = (_EXACT if function.analytic else _ROUGH) * slopes.max(initial=0.0)
            if others.max(initial=0.0) > allowed:
                return False
    return True


def _along(values: Array, axis: int, axes: int) -> Array:
    shape = [1] * axes
    shape[axis] = len(values)
    return values.reshape(shape)


def _stacks(function: LayerFunction, random: Generator) -> tuple[bool, float]:
    """Whether a larger batch gives each example what it gets in a batch of the usual size, and
    the seconds that each of several directions takes then."""
    directions = random.standard_normal((_COPIES, *function.value(INPUTS).shape))
    start = time.perf_counter()
    stacked = function.stacked_slope(INPUTS, directions).values
    taken = (time.perf_counter() - start) / _COPIES
    last = function.slope({INPUTS: directions[-1]}).values
    if stacked.shape != (_COPIES, *last.shape):
        return False, taken
    tolerance = 1e-11 if function.analytic else 1e-6
    difference = np.abs(stacked[-1] - last).max(initial=0.0)
    return bool(difference <= tolerance * np.abs(last).max(initial=0.0)), taken
