"""Recurrent layers at the price of their inputs: one derivative serves a whole weight.

A weight that multiplies the inputs, z = x W + ..., moves the layer as an input would that is added
after it: z = x W + r. So ∂L/∂W = Σ xᵀ ∂L/∂r, and the derivative by r, which a few stacked forward
passes give, stands for one forward pass for each element of W. The same holds for a bias, which a
1 multiplies, and for a recurrent weight, which the state before the step multiplies.

Whether it does hold is not taken from the layer's name: moving the weight along a random direction
must do to the outputs exactly what the added input does. Only what passes is lifted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import default_rng

from bpcli.gradcheck.functions import INPUTS, LayerFunction, Twin
from bpcli.gradcheck.numerical import Slope
from bpcli.gradcheck.pullback import Tick, pullback
from bpcli.gradcheck.structure import Structure, explore, seconds
from bpcli.network.layer import Array

_AGREEMENT = 1e-10


class _Lifted(LayerFunction):
    """The layer as a function of further inputs, which further rows of the weight let through:
    with a unit matrix of rows these are r, with one of its rows alone one column of r."""

    def __init__(self, function: LayerFunction, weight: str, rows: Array) -> None:
        super().__init__(function.event, function.twins)
        self.weight, self.rows = weight, rows
        self._zero = np.zeros((*function.event.inputs.shape[:-1], len(rows)))

    def value(self, target: str) -> Array:
        return self._zero if target == INPUTS else super().value(target)

    def targets(self) -> list[str]:
        return [INPUTS]

    def _forward(self, twin: Twin, inputs: Array) -> Array:
        views: dict[str, Any] = dict(twin.views(self.path))
        weight, own = views[self.weight], self.event.inputs
        views[self.weight] = np.concatenate([weight, self.rows])
        joined = np.empty((*inputs.shape[:-1], len(views[self.weight])), inputs.dtype)
        joined.reshape(-1, *own.shape[:-1], joined.shape[-1])[..., : len(weight)] = own
        joined[..., len(weight) :] = inputs
        outputs, _ = twin.layers[self.path].forward(
            joined, views, training=True, random=self.event.random()
        )
        return np.array(outputs)


class Lifting:
    """Derivatives of a layer by its inputs and by all parameters that can be lifted."""

    def __init__(self, lifted: _Lifted, multipliers: dict[str, Array]) -> None:
        self._multipliers = multipliers
        self._shapes = {name: LayerFunction.value(lifted, name).shape for name in multipliers}
        self._width: int = lifted.rows.shape[1]
        # any column of r, all of them in one: what is independent there is so in each
        columns = np.asarray(default_rng(37).uniform(1, 2, (1, self._width)))
        self._column = _Lifted(lifted, lifted.weight, columns)
        self.structure: Structure = explore(self._column, [INPUTS])
        self.structure.numbers = lifted.value(INPUTS).size
        self.seconds: float = self._width * seconds(self._column, self.structure, INPUTS)
        self._known: tuple[Array, Array] | None = None

    def serves(self, target: str) -> bool:
        return target in self._multipliers

    def pullback(self, target: str, v: Array, tick: Tick | None = None) -> Slope:
        """Σ v ∂y/∂target."""
        if self._known is None or self._known[0] is not v:
            self._known = v, self._by_added(v, tick)
        added, multiplier = self._known[1], self._multipliers[target]
        if target == INPUTS:
            return Slope(added @ multiplier.T)
        rows = added.reshape(-1, self._width)
        gradient = multiplier.reshape(len(rows), -1).T @ rows
        return Slope(gradient.reshape(self._shapes[target]))

    def _by_added(self, v: Array, tick: Tick | None) -> Array:
        """Σ v ∂y/∂r, one column after another: a stack holds the same one at different steps."""
        columns = []
        for row in np.eye(self._width):
            self._column.rows = row[None]
            columns.append(pullback(self._column, self.structure, INPUTS, v, tick).values)
        return np.concatenate(columns, axis=-1)


def lift(function: LayerFunction, structure: Structure) -> Lifting | None:
    """The lifting of a layer, where it has a weight that can be lifted and that would be dear
    otherwise."""
    if not function.analytic or function.opened or not structure.stackable:
        return None
    inputs = function.event.inputs
    for weight in function.targets():
        value = function.value(weight)
        if weight == INPUTS or value.ndim != 2 or value.shape[0] != inputs.shape[-1]:
            continue
        if structure.pairs[weight]:
            return None
        try:
            lifted = _Lifted(function, weight, np.eye(value.shape[1]))
            if not _moves_alike(function, lifted, weight, inputs):
                continue
        except Exception:  # a layer that cannot take more features
            continue
        found = {weight: inputs}
        if _passes_alike(function, lifted, value):
            found[INPUTS] = value
        for target, multiplier in _others(function, lifted, weight):
            if _moves_alike(function, lifted, target, multiplier):
                found[target] = multiplier
        return Lifting(lifted, found)
    return None


def _others(function: LayerFunction, lifted: _Lifted, weight: str) -> list[tuple[str, Array]]:
    """What else may be multiplied and added to the same sums."""
    width = lifted.rows.shape[1]
    ones = np.ones((*function.event.inputs.shape[:-1], 1))
    states = _states_before(function)
    found = []
    for target in function.targets():
        if target in (INPUTS, weight):
            continue
        shape = function.value(target).shape
        if shape == (width,):
            found.append((target, ones))
        elif states is not None and shape == (states.shape[-1], width):
            found.append((target, states))
    return found


def _states_before(function: LayerFunction) -> Array | None:
    """Of a recurrent layer, its state before each step: 0, then its outputs."""
    layer: Any = function.twins[1].layers[function.path]
    if not hasattr(layer, "returns"):
        return None
    kept = layer.returns
    try:
        layer.returns = "sequence"
        outputs = function.outputs({})
    finally:
        layer.returns = kept
    states = np.zeros(outputs.shape)
    states[:, 1:] = outputs[:, :-1]
    return states


def _moves_alike(function: LayerFunction, lifted: _Lifted, target: str, multiplier: Array) -> bool:
    """Whether moving a parameter does what adding multiplier · direction does."""
    value = function.value(target)
    direction: Array = np.asarray(default_rng(29).standard_normal(value.shape))
    added = multiplier @ direction.reshape(multiplier.shape[-1], -1)
    return _alike(function.slope({target: direction}), lifted.slope({INPUTS: added}))


def _passes_alike(function: LayerFunction, lifted: _Lifted, weight: Array) -> bool:
    """Whether moving the inputs does what adding direction · weight does."""
    direction: Array = np.asarray(default_rng(31).standard_normal(function.event.inputs.shape))
    return _alike(function.slope({INPUTS: direction}), lifted.slope({INPUTS: direction @ weight}))


def _alike(one: Slope, other: Slope) -> bool:
    difference = np.abs(one.values - other.values).max(initial=0.0)
    return bool(difference <= _AGREEMENT * np.abs(one.values).max(initial=0.0))
