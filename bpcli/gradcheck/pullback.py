"""Jᵀv of one layer, found numerically: how the loss changes with the layer's inputs and
parameters, given how it changes with its outputs, v.

Perturbations are stacked on a leading axis, and only the perturbed layer is computed again. What
comes after it enters by v, which was found in the same way: so the loss's derivative by every
number in the network takes one small evaluation each, not one of the whole network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from bpcli.gradcheck.functions import INNER, INPUTS, LayerFunction, Place
from bpcli.gradcheck.numerical import Slope
from bpcli.gradcheck.structure import Structure
from bpcli.network.layer import Array, Shape

_STACK = 1 << 15  # numbers in one stacked evaluation, so that it stays in the processor's cache

Tick = Callable[[float], None]  # is told the seconds of work that were estimated and are done


def pullback(
    function: LayerFunction,
    structure: Structure,
    target: str,
    v: Array,
    tick: Tick | None = None,
) -> Slope:
    """Σ v ∂y/∂target, in the target's shape."""
    result = np.zeros(function.value(target).shape)
    noise = None if function.analytic else np.zeros(result.shape)
    for place, slope in slopes(function, structure, target, tick):
        _gather(result, place, slope.values * v, structure.pairs[target])
        if noise is not None and slope.noise is not None:
            _gather(noise, place, slope.noise * np.abs(v), structure.pairs[target])
    return Slope(result, noise)


def slopes(
    function: LayerFunction, structure: Structure, target: str, tick: Tick | None = None
) -> Iterator[tuple[Place, Slope]]:
    """∂y along each direction that the derivative by a target takes, and which elements of the
    target it moves: one, or all along its independent axes."""
    shape = function.value(target).shape
    stacks = structure.stackable and target in (INPUTS, INNER)
    seconds = structure.seconds_stacked if stacks else structure.seconds
    for places in _portions(function, structure, target, shape):
        if stacks:
            yield from zip(places, _stacked(function, target, places, shape), strict=True)
        else:
            yield from ((place, function.slope_at(target, place)) for place in places)
        if tick is not None:
            tick(seconds * len(places))


def _stacked(
    function: LayerFunction, target: str, places: list[Place], shape: Shape
) -> Iterator[Slope]:
    stack = np.zeros((len(places), *shape))
    for moved, place in zip(stack, places, strict=True):
        moved[place] = 1
    values, noise = function.stacked_slope(target, stack)
    for index, each in enumerate(values):
        yield Slope(each, None if noise is None else noise[index])


def _portions(
    function: LayerFunction, structure: Structure, target: str, shape: Shape
) -> Iterator[list[Place]]:
    independent = {axis for axis, _ in structure.pairs[target]}
    sizes = [1 if axis in independent else size for axis, size in enumerate(shape)]
    numbers = max(math.prod(structure.shape), math.prod(shape), 1)
    most = max(1, _STACK // numbers)
    portion: list[Place] = []
    for index in np.ndindex(*sizes):
        portion.append(
            tuple(slice(None) if axis in independent else i for axis, i in enumerate(index))
        )
        if len(portion) == most:
            yield portion
            portion = []
    if portion:
        yield portion


def _gather(result: Array, place: Place, products: Array, pairs: list[tuple[int, int]]) -> None:
    """Adds the products up over all axes of the outputs that are not independent."""
    kept = {output_axis for _, output_axis in pairs}
    summed = tuple(axis for axis in range(products.ndim) if axis not in kept)
    result[place] = products.sum(axis=summed)
