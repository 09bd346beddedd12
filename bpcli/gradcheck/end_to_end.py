"""How the loss of the whole network changes along a direction of one tensor.

A direction is carried forward from the layer that it belongs to; the layers before it are not
computed again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bpcli.gradcheck.functions import INPUTS, LayerFunction, Twin
from bpcli.gradcheck.numerical import STEP, Slope, central, largest_of
from bpcli.gradcheck.penalty import penalty_slope
from bpcli.gradcheck.pullback import weighted_noise
from bpcli.gradcheck.recording import Pass
from bpcli.network.layer import Array


class LossFunction:
    """L(y) of the network's outputs y, without the penalty."""

    def __init__(self, twins: tuple[Twin, Twin], recorded: Pass, targets: Array) -> None:
        self._losses = tuple(twin.network.loss for twin in twins)
        self.outputs, self.targets = recorded.outputs, targets
        self.analytic = True

    def slope(self, direction: Array) -> tuple[float, float]:
        """∂L along a direction of the outputs, and the noise of the method in it."""
        largest = largest_of(direction)
        if largest == 0:
            return 0.0, 0.0
        if self.analytic:
            moved = self.outputs + (STEP / largest * 1j) * direction
            value = complex(self._losses[0].forward(moved, self.targets)[0])
            return value.imag / STEP * largest, 0.0
        found, noise = central(
            lambda t: self._value(t / largest * direction), 1.0, largest_of(self.outputs)
        )
        assert noise is not None
        return float(found) * largest, float(noise) * largest

    def gradient(self) -> Slope:
        """∂L/∂y, one element after another."""
        gradient, noise = (np.zeros(self.outputs.shape) for _ in range(2))
        direction = np.zeros(self.outputs.shape)
        for index in np.ndindex(self.outputs.shape):
            direction[index] = 1
            gradient[index], noise[index] = self.slope(direction)
            direction[index] = 0
        return Slope(gradient, None if self.analytic else noise)

    def _value(self, moved: Array) -> Array:
        return np.asarray(self._losses[1].forward(self.outputs + moved, self.targets)[0])


class EndToEnd:
    """The network's loss as a function of one tensor at a time."""

    def __init__(
        self, twins: tuple[Twin, Twin], recorded: Pass, loss: LossFunction, analytic: set[str]
    ) -> None:
        network = twins[1].network
        self._twins, self.loss = twins, loss
        self._functions: list[LayerFunction] = []
        for node in network.chain.nodes:
            function = LayerFunction(recorded.events[node.layer.path], twins)
            inside = [n.layer.path for n in network.nodes if _is_within(n.layer.path, node.name)]
            function.analytic = analytic.issuperset(inside)
            self._functions.append(function)

    def exact(self, name: str) -> bool:
        """Whether complex steps lead all the way from the tensor to the loss."""
        return all(function.analytic for function in self._functions[self._start(name) :])

    def slope(self, name: str, direction: Array) -> tuple[float, float]:
        """∂L along a direction of a parameter, the penalty included, and the method's noise."""
        start = self._start(name)
        first = self._functions[start]
        moved = first.slope({name.removeprefix(first.path + "."): direction})
        value, noise = self._onwards(start + 1, moved)
        noise += _reaching(first, moved)
        return value + penalty_slope(self._twins[0].network, name, direction), noise

    def slope_of_all(self, moves: Mapping[str, Array]) -> tuple[float, float]:
        """Along directions of many parameters, moved together, in one pass."""
        penalties = sum(penalty_slope(self._twins[0].network, n, d) for n, d in moves.items())
        moved, noise = Slope(np.zeros(0)), 0.0
        for function in self._functions:
            prefix = function.path + "."
            own = {n.removeprefix(prefix): d for n, d in moves.items() if n.startswith(prefix)}
            if moved.values.size:
                own[INPUTS] = moved.values
            if own:
                moved = function.slope(own)
                noise += _reaching(function, moved)
        value, noise_of_loss = self.loss.slope(moved.values)
        return value + penalties, noise + noise_of_loss

    def slope_of_inputs(self, direction: Array) -> tuple[float, float]:
        return self._onwards(0, Slope(direction))

    def _start(self, name: str) -> int:
        paths = [function.path for function in self._functions]
        return next(i for i, path in enumerate(paths) if _is_within(name, path))

    def _onwards(self, start: int, moved: Slope) -> tuple[float, float]:
        noise = 0.0
        for function in self._functions[start:]:
            moved = function.slope({INPUTS: moved.values})
            noise += _reaching(function, moved)
        value, noise_of_loss = self.loss.slope(moved.values)
        return value, noise + noise_of_loss


def _reaching(function: LayerFunction, slope: Slope) -> float:
    """What the noise in a layer's outputs may come to in the loss, by how much that depends on
    them."""
    arriving = function.event.arriving
    if slope.noise is None or arriving is None:
        return 0.0
    return float(weighted_noise(slope.noise, arriving).sum())


def _is_within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(outer + ".")
