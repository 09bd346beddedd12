"""Jᵀv of one layer, found numerically: how the loss changes with the layer's inputs and
parameters, given how it changes with its outputs, v.

Perturbations are stacked on a leading axis, and only the perturbed layer is computed again. What
comes after it enters by v, which was found in the same way: so the loss's derivative by every
number in the network takes one small evaluation each, not one of the whole network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice

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
    shape, pairs = function.value(target).shape, structure.pairs[target]
    values, noises = [], []
    for _, found in _portions(function, structure, target, tick):
        values.append(_add_up(found.values * v, pairs))
        if found.noise is not None:
            noises.append(_add_up(weighted_noise(found.noise, v), pairs))
    if not values:
        return Slope(np.zeros(shape), None if function.analytic else np.zeros(shape))
    return Slope(_arrange(values, shape, pairs), _arrange(noises, shape, pairs) if noises else None)


def weighted_noise(noise: Array, v: Array) -> Array:
    """noise |v|, where 0 takes away even noise without bounds."""
    weighted: Array = np.where(v == 0, 0.0, noise * np.abs(v))
    return weighted


def slopes(
    function: LayerFunction, structure: Structure, target: str
) -> Iterator[tuple[Place, Array]]:
    """∂y along each direction that the derivative by a target takes, and which elements of the
    target it moves: one, or all along its independent axes."""
    for places, found in _portions(function, structure, target, None):
        yield from zip(places, found.values, strict=True)


def _portions(
    function: LayerFunction, structure: Structure, target: str, tick: Tick | None
) -> Iterator[tuple[list[Place], Slope]]:
    """The slopes along some directions, on a leading axis, with what each of them moves."""
    shape = function.value(target).shape
    independent = {axis for axis, _ in structure.pairs[target]}
    sizes = [1 if axis in independent else size for axis, size in enumerate(shape)]
    stacks = structure.stackable and target in (INPUTS, INNER)
    seconds = structure.seconds_stacked if stacks else structure.seconds
    numbers = max(structure.numbers, math.prod(shape), 1)
    most = max(1, _STACK // numbers) if stacks else 1
    indices = np.ndindex(*sizes)
    while chosen := list(islice(indices, most)):
        places = [_place(index, independent) for index in chosen]
        if stacks:
            units = np.zeros((len(chosen), *sizes))
            units[(np.arange(len(chosen)), *np.transpose(chosen))] = 1
            yield (
                places,
                function.stacked_slope(target, np.broadcast_to(units, (len(chosen), *shape))),
            )
        else:
            values, noise = function.slope_at(target, places[0])
            yield places, Slope(values[None], None if noise is None else noise[None])
        if tick is not None:
            tick(seconds * len(chosen))


def _place(index: tuple[int, ...], independent: set[int]) -> Place:
    return tuple(slice(None) if axis in independent else i for axis, i in enumerate(index))


def _add_up(products: Array, pairs: list[tuple[int, int]]) -> Array:
    """Over all axes of the outputs that are not independent; the first is that of directions."""
    kept = {0, *(1 + output_axis for _, output_axis in pairs)}
    total: Array = products.sum(axis=tuple(a for a in range(products.ndim) if a not in kept))
    return total


def _arrange(found: list[Array], shape: Shape, pairs: list[tuple[int, int]]) -> Array:
    """What was found by direction and independent axes, in the shape of the target."""
    independent = [axis for axis, _ in pairs]
    axes = [axis for axis in range(len(shape)) if axis not in independent] + independent
    gathered: Array = np.concatenate(found).reshape([shape[axis] for axis in axes])
    return gathered.transpose(np.argsort(axes)).copy()
