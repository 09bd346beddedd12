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
    """The layer with r as further inputs, which the weight's further rows, 1 each, let through."""

    def __init__(self, function: LayerFunction, weight: str) -> None:
        super().__init__(function.event, function.twins)
        self.weight, self.width = weight, function.value(weight).shape[1]
        self.features = function.event.inputs.shape[-1]
        added = np.zeros((*function.event.inputs.shape[:-1], self.width))
        self._inputs = np.concatenate([function.event.inputs, added], axis=-1)

    def value(self, target: str) -> Array:
        return self._inputs if target == INPUTS else super().value(target)

    def targets(self) -> list[str]:
        return [INPUTS]

    def slope_of_added(self, added: Array) -> Array:
        """∂y along a direction of r."""
        direction = np.zeros(self._inputs.shape)
        direction[..., self.features :] = added
        return self.slope({INPUTS: direction}).values

    def _forward(self, twin: Twin, inputs: Array) -> Array:
        views: dict[str, Any] = dict(twin.views(self.path))
        weight = views[self.weight]
        views[self.weight] = np.concatenate([weight, np.eye(self.width, dtype=weight.dtype)])
        outputs, _ = twin.layers[self.path].forward(
            inputs, views, training=True, random=self.event.random()
        )
        return np.array(outputs)


class Lifting:
    """Derivatives of a layer by its inputs and by all parameters that can be lifted."""

    def __init__(self, function: _Lifted, multipliers: dict[str, Array]) -> None:
        self._function, self._multipliers = function, multipliers
        self.structure: Structure = explore(function, [INPUTS])
        self.seconds = seconds(function, self.structure, INPUTS)
        self._known: tuple[Array, Array] | None = None

    def serves(self, target: str) -> bool:
        return target == INPUTS or target in self._multipliers

    def pullback(self, target: str, v: Array, tick: Tick | None = None) -> Slope:
        """Σ v ∂y/∂target."""
        if self._known is None or self._known[0] is not v:
            self._known = v, pullback(self._function, self.structure, INPUTS, v, tick).values
        whole, features = self._known[1], self._function.features
        if target == INPUTS:
            return Slope(whole[..., :features])
        added = whole[..., features:].reshape(-1, self._function.width)
        multiplier = self._multipliers[target].reshape(len(added), -1)
        gradient = multiplier.T @ added
        return Slope(gradient.reshape(self._function.value(target).shape))


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
            lifted = _Lifted(function, weight)
            if not _moves_alike(function, lifted, weight, inputs):
                continue
        except Exception:  # a layer that cannot take more features
            continue
        found = {weight: inputs}
        for target, multiplier in _others(function, lifted, weight):
            if _moves_alike(function, lifted, target, multiplier):
                found[target] = multiplier
        return Lifting(lifted, found)
    return None


def _others(function: LayerFunction, lifted: _Lifted, weight: str) -> list[tuple[str, Array]]:
    """What else may be multiplied and added to the same sums."""
    ones = np.ones((*function.event.inputs.shape[:-1], 1))
    states = _states_before(function)
    found = []
    for target in function.targets():
        if target in (INPUTS, weight):
            continue
        shape = function.value(target).shape
        if shape == (lifted.width,):
            found.append((target, ones))
        elif states is not None and shape == (states.shape[-1], lifted.width):
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
    value = function.value(target)
    direction: Array = np.asarray(default_rng(29).standard_normal(value.shape))
    directly = function.slope({target: direction}).values
    added = multiplier @ direction.reshape(multiplier.shape[-1], -1)
    difference = np.abs(lifted.slope_of_added(added) - directly).max(initial=0.0)
    return bool(difference <= _AGREEMENT * np.abs(directly).max(initial=0.0))
