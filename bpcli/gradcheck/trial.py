"""One network under one condition: every gradient held against numerical derivatives."""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import default_rng

from bpcli.gradcheck.analyticity import Doubt, Kinks, doubt, find_kinks
from bpcli.gradcheck.comparison import TOLERANCES, Comparison, compare
from bpcli.gradcheck.conditions import OWN, Condition, nudge
from bpcli.gradcheck.end_to_end import EndToEnd, LossFunction
from bpcli.gradcheck.functions import INPUTS, Twin
from bpcli.gradcheck.kinks import hold_against_sides
from bpcli.gradcheck.localisation import (
    Arriving,
    Examined,
    Functions,
    Localisation,
    all_functions,
    estimate,
)
from bpcli.gradcheck.numerical import Slope
from bpcli.gradcheck.penalty import penalty_gradient
from bpcli.gradcheck.projections import (
    Direction,
    compare_projections,
    directions,
    weighted_direction,
)
from bpcli.gradcheck.pullback import Tick
from bpcli.gradcheck.recording import Pass, record
from bpcli.gradcheck.result import KinkResult
from bpcli.gradcheck.rounding import EPSILON, SAFETY, floor
from bpcli.gradcheck.structure import seconds_of_pass
from bpcli.network import Network
from bpcli.network.layer import Array


@dataclass
class Tensor:
    """The gradient of one parameter, or of the inputs, as the network gives it."""

    analytic: Array
    comparisons: list[Comparison] = field(default_factory=list)
    numeric: Array | None = None  # of every element, where that was taken
    checked: int = 0  # elements
    projections: int = 0


class Trial:
    """Prepares a condition: a pass before, so that what layers keep between passes shows; the
    pass that is checked; and the layers as functions.

    Raises LayerFailure and NonFiniteForward.
    """

    def __init__(
        self,
        condition: Condition,
        method: str = "complex",
        doubts: Sequence[Doubt] | None = None,
        passed_over: Container[str] = (),
    ) -> None:
        """``doubts`` are those of another trial of the same network, else they are looked for.
        Layers whose paths are ``passed_over`` are not examined."""
        self.passed_over = passed_over
        self.condition, self.method = condition, method
        self.kinks: list[KinkResult] = []
        self.before = self._record(other=True)
        self._take()
        if doubts is None:
            doubts, kinks = self._look_closer()
            if kinks:
                self.kinks = [self._held_against_sides(each) for each in kinks]
                nudge(condition)
                self._take()
        self.doubts = list(doubts)
        self._set_methods({each.layer for each in self.doubts})

    @property
    def network(self) -> Network:
        return self.condition.network

    def _record(self, *, other: bool = False) -> Pass:
        condition = self.condition
        inputs = condition.other_inputs if other else condition.inputs
        targets = condition.other_targets if other else condition.targets
        return record(condition.network, inputs, targets, condition.seed)

    def _take(self) -> None:
        self.recorded = self._record()
        if not hasattr(self, "twins"):
            self.twins = (Twin(self.network, np.complex128), Twin(self.network, np.float64))
        for twin in self.twins:
            twin.take(self.network)
        self.functions = Functions(self.twins, self.recorded)
        self.loss = LossFunction(self.twins, self.recorded, self.condition.targets)

    def _set_methods(self, doubted: set[str]) -> None:
        """Central differences everywhere, or where complex steps are wrong."""
        central = self.method == "central"
        self.loss.analytic = not central
        for node in self.network.nodes:
            doubtful = central or node.layer.path in doubted
            self.functions.of(node).analytic = not doubtful

    def _held_against_sides(self, kinks: Kinks) -> KinkResult:
        self.network.keep_input_gradient(True)
        try:
            return hold_against_sides(self.network, self.recorded.events[kinks.layer], kinks)
        finally:
            self.network.keep_input_gradient(False)

    def _look_closer(self) -> tuple[list[Doubt], list[Kinks]]:
        doubts, kinks = [], []
        for node in self.network.nodes:
            if node.layer.path in self.passed_over:
                continue
            function = self.functions.of(node)
            found = find_kinks(function)
            doubted = doubt(function, found)
            if doubted is not None:
                doubts.append(doubted)
            if found is not None and getattr(node.layer, "chain", None) is None:
                kinks.append(found)
        return doubts, kinks

    def estimate(self, enough: float) -> float:
        """Seconds that checking every element takes, or at least takes if that is ``enough``."""
        start = self.loss.outputs.size * 2e-5
        return start + estimate(self.network.chain, self.functions, enough)

    def seconds_of_forward(self) -> float:
        """One pass with complex numbers, about."""
        functions = all_functions(self.network.chain, self.functions)
        return sum(map(seconds_of_pass, functions))

    def check(self, *, elements: bool, samples: int = 0, tick: Tick | None = None) -> None:
        """Fills ``tensors``, ``examined`` and ``loss_comparison``."""
        leaving = self.examine(elements=elements, tick=tick)
        self._compare_tensors(elements, samples, leaving)

    def examine(self, *, elements: bool, tick: Tick | None = None) -> Arriving | None:
        """Each layer by itself: fills ``examined`` and ``loss_comparison``, and gives what leaves
        the first layer. Its time grows with the number of layers, that of the tensors, whose
        directions are carried on to the loss, with the square of it."""
        network, recorded = self.network, self.recorded
        arriving = self._check_loss(elements)
        network.keep_input_gradient(recorded.input_gradient is not None)
        self.localisation = Localisation(
            network,
            self.functions,
            elements=elements,
            promises=self.condition.name == OWN,
            passed_over=self.passed_over,
            tick=tick,
        )
        try:
            leaving = self.localisation.examine(network.chain, arriving, self.loss.analytic)
        finally:
            network.keep_input_gradient(False)
        self.examined = {found.path: found for found in self.localisation.found}
        return leaving

    def _check_loss(self, elements: bool) -> Arriving:
        """The loss's own gradient; how it arrives at the last layer."""
        analytic = self.recorded.output_gradient
        # each output enters the mean over its examples with that weight, whatever is left of it
        rounding = 4 * EPSILON / max(len(analytic), 1)
        if elements:
            start = time.perf_counter()
            numeric = self.loss.gradient()
            self.functions.seconds_spent += time.perf_counter() - start
            self.loss_comparison = compare(
                analytic, numeric, SAFETY * rounding, self.loss.analytic, 1 / len(analytic)
            )
            gradient, noise = numeric
        else:
            tested = [Direction(d, *self.loss.slope(d)) for d in directions(analytic)]
            self.loss_comparison = compare_projections(
                analytic, tested, SAFETY * rounding, self.loss.analytic
            )
            gradient, noise = analytic, None
        return Arriving(gradient, np.full(analytic.shape, rounding), noise)

    def _compare_tensors(self, elements: bool, samples: int, leaving: Arriving | None) -> None:
        analytic = {path for path, f in self._functions() if f}
        end = EndToEnd(self.twins, self.recorded, self.loss, analytic)
        self.tensors = {name: Tensor(each) for name, each in self.recorded.gradients.items()}
        together = self._agree_together(end)
        for name, tensor in self.tensors.items():
            if elements:
                self._compare_elements(name, tensor)
            if together:
                examined, short = self.owner(name)
                tensor.projections = 1
                tensor.comparisons.append(examined.comparisons[short])
            else:
                self._project(end, name, tensor)
            if not elements and samples:
                self._sample(end, name, tensor, samples)
        if self.recorded.input_gradient is not None:
            self._compare_inputs(end, leaving if elements else None)

    def _functions(self) -> Iterator[tuple[str, bool]]:
        for node in self.network.nodes:
            yield node.layer.path, self.functions.of(node).analytic

    def owner(self, name: str) -> tuple[Examined, str]:
        """The layer that a parameter belongs to, and what it is called there."""
        path = max(
            (path for path in self.examined if name.startswith(path + ".")
             and name.removeprefix(path + ".") in self.examined[path].analytic),
            key=len,
        )  # fmt: skip
        return self.examined[path], name.removeprefix(path + ".")

    def floor_of(self, name: str) -> float:
        examined, short = self.owner(name)
        weights = float(np.abs(self.network.parameters[name]).max(initial=0.0))
        return examined.floors[short] + floor(self.network.l2 * weights)

    def _compare_elements(self, name: str, tensor: Tensor) -> None:
        examined, short = self.owner(name)
        penalty = penalty_gradient(self.twins[0].network, name)
        noise = examined.numeric[short].noise
        if examined.noises:
            noise = examined.noises[short] + (0.0 if noise is None else noise)
        slope = Slope(examined.numeric[short].values + penalty, noise)
        tensor.numeric, tensor.checked = slope.values, slope.values.size
        limit = self.floor_of(name)
        tensor.comparisons.append(
            compare(tensor.analytic, slope, limit, examined.exact, limit / floor(1.0))
        )

    def _agree_together(self, end: EndToEnd) -> bool:
        """Whether all gradients agree with the loss along one direction, in which each tensor has
        the same share: one pass, where one for each tensor would take as many as it is deep."""
        moves, value, limit = {}, 0.0, 0.0
        for name, tensor in self.tensors.items():
            direction = weighted_direction(tensor.analytic)
            weighted = tensor.analytic * direction
            size, rounding = _norm(weighted), self.floor_of(name) * _norm(direction)
            if size > 10 * rounding:  # else it is zero to rounding, and its layer is all there is
                moves[name] = direction / size
                value += float(weighted.sum()) / size
                limit += rounding / size
        if not moves:
            return True
        numeric, noise = end.slope_of_all(moves)
        exact = all(end.exact(name) for name in moves)
        limit = max(limit, TOLERANCES[exact][0] * math.sqrt(len(moves)), 2 * noise)
        return abs(value - numeric) <= limit

    def _project(self, end: EndToEnd, name: str, tensor: Tensor) -> None:
        direction = weighted_direction(tensor.analytic)
        tested = [Direction(direction, *end.slope(name, direction))]
        limit = self.floor_of(name)
        tensor.projections = len(tested)
        tensor.comparisons.append(
            compare_projections(tensor.analytic, tested, limit, end.exact(name), limit / floor(1.0))
        )

    def _sample(self, end: EndToEnd, name: str, tensor: Tensor, samples: int) -> None:
        """Some elements one by one."""
        size = tensor.analytic.size
        chosen = np.unique(default_rng([size, 23]).integers(0, size, samples))
        numeric, noise = (np.zeros(len(chosen)) for _ in range(2))
        for i, element in enumerate(chosen):
            direction = np.zeros(tensor.analytic.shape)
            direction.flat[element] = 1
            numeric[i], noise[i] = end.slope(name, direction)
        limit, exact = self.floor_of(name), end.exact(name)
        found = compare(
            tensor.analytic.flat[chosen],
            Slope(numeric, None if exact else noise),
            limit,
            exact,
            limit / floor(1.0),
        )
        tensor.comparisons.append(_placed(found, chosen, tensor.analytic.shape))
        tensor.checked = len(chosen)

    def _compare_inputs(self, end: EndToEnd, leaving: Arriving | None) -> None:
        gradient = self.recorded.input_gradient
        assert gradient is not None
        tensor = self.tensors[INPUTS] = Tensor(gradient)
        first = self.examined[self.network.chain.nodes[0].layer.path]
        limit = first.floors[INPUTS]
        if leaving is not None:
            slope = Slope(leaving.gradient, leaving.noise)
            tensor.numeric, tensor.checked = slope.values, gradient.size
            tensor.comparisons.append(
                compare(gradient, slope, limit, first.exact, limit / floor(1.0))
            )
        direction = weighted_direction(gradient)
        tested = [Direction(direction, *end.slope_of_inputs(direction))]
        tensor.projections = len(tested)
        exact = all(analytic for _, analytic in self._functions())
        tensor.comparisons.append(
            compare_projections(gradient, tested, limit, exact, limit / floor(1.0))
        )


def _norm(values: Array) -> float:
    return float(np.sqrt(np.square(values).sum()))


def _placed(found: Comparison, chosen: Array, shape: tuple[int, ...]) -> Comparison:
    """A comparison of chosen elements with the index that the worst has in the tensor."""
    if not found.index:
        return found
    index = tuple(int(i) for i in np.unravel_index(chosen[found.index[0]], shape))
    return Comparison(found.verdict, found.error, index, found.analytic, found.numeric, found.note)
