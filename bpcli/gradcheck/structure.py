"""Which outputs of a layer depend on which inputs: found by trying, so it holds for any layer.

An axis of the inputs is *independent* if output i along it depends on input i along it alone: the
batch axis of most layers, all axes of an activation, the features of batch normalization. One
forward pass can then move all positions along such axes at once, and each keeps its own
derivative. The same holds between the last axis of a weight and that of the outputs, for layers
like dense and convolution: one pass moves a whole row of the weight.

To find out, each position is given a code of its own, with as many ones as all others have: of any
two, each has a one where the other has none. So if, digit by digit, all positions with a one move
at random, each has moved while any other one stood still. No pair escapes, and the passes are few.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

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
    numbers: int = 0  # that the layer handles in one forward pass, about
    pairs: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    stackable: bool = False  # whether several directions fit into one batch
    seconds: float = 0.0  # of one forward pass
    seconds_stacked: float = 0.0  # of one of several in a batch


def explore(function: LayerFunction, targets: list[str]) -> Structure:
    """Finds the structure of a layer by each of the targets, at the examples that it has."""
    random = default_rng(5)
    shape = function.outputs({}).shape
    structure = Structure(shape, math.prod(shape), seconds=seconds_of_pass(function))
    for target in targets:
        pairs = list(_candidates(function, target, structure.shape))
        if len(pairs) < 2 or not _independent(function, target, pairs, random):
            pairs = [pair for pair in pairs if _independent(function, target, [pair], random)]
        structure.pairs[target] = pairs
    of_batch = [(0, 0) in structure.pairs[t] for t in targets if t in (INPUTS, INNER)]
    if INPUTS in targets and all(of_batch):
        structure.stackable, structure.seconds_stacked = _stacks(function, random)
    return structure


def least_seconds(function: LayerFunction) -> float:
    """What the derivatives by everything take if all is as independent as it can be: known
    without exploring."""
    shape = function.outputs({}).shape
    targets = function.targets()
    pairs = {target: list(_candidates(function, target, shape)) for target in targets}
    structure = Structure(shape, pairs=pairs)
    each = seconds_of_pass(function)
    return each * sum(passes(function, structure, target) for target in targets)


def seconds_of_pass(function: LayerFunction) -> float:
    """What one slope takes: measured once."""
    targets = function.targets()
    if not targets:
        return 0.0
    if function.seconds is None:
        start = time.perf_counter()
        function.slope({targets[0]: np.zeros(function.value(targets[0]).shape)})
        function.seconds = time.perf_counter() - start
    return function.seconds


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
    function: LayerFunction, target: str, pairs: list[tuple[int, int]], random: Generator
) -> bool:
    """Whether the axes are, all together."""
    value = function.value(target)
    axes = [axis for axis, _ in pairs]
    sizes = [value.shape[axis] for axis in axes]
    for digit in _codes(math.prod(sizes)):
        moved = digit.reshape(sizes)
        direction = random.standard_normal(value.shape) * _spread(moved, axes, value.ndim)
        slopes = np.abs(function.slope({target: direction}).values)
        others = ~_spread(moved, [axis for _, axis in pairs], slopes.ndim)
        allowed = (_EXACT if function.analytic else _ROUGH) * slopes.max(initial=0.0)
        if (slopes * others).max(initial=0.0) > allowed:
            return False
    return True


@lru_cache(64)
def _codes(count: int) -> Array:
    """(digits, count): for each two columns, a row where the first has a one and the second none.

    All codes of k digits with k/2 ones do that, and no other set of as many is larger
    (Sperner 1928).
    """
    if count < 2:
        return np.zeros((0, count), bool)
    digits = next(k for k in itertools.count(2) if math.comb(k, k // 2) >= count)
    codes = np.zeros((digits, count), bool)
    ones = itertools.islice(itertools.combinations(range(digits), digits // 2), count)
    codes[np.array(list(ones)).T, np.arange(count)] = True
    return codes


def _spread(values: Array, axes: list[int], count: int) -> Array:
    """Values along some axes, for an array of ``count`` axes to be multiplied by; the axes rise."""
    shape = [1] * count
    for axis, size in zip(axes, values.shape, strict=True):
        shape[axis] = size
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
