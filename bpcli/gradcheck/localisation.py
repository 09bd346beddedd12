"""Each layer's own backward pass, given a right incoming gradient.

The chain rule makes a gradient out of what every layer on the way does to it, so a wrong layer
spoils the gradients of all layers before it. Checked alone, on a gradient that is right, only the
wrong layer shows: its gradients by its inputs and parameters must be Jᵀv, whatever v is.

Either every element is checked: then v is the loss's numerical derivative by the layer's outputs,
and the numerical derivatives by all parameters come out on the way. Or random directions d are:
(Jᵀv)·d must be v·(J d), which takes one forward pass of the layer a direction.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.random import default_rng

from bpcli.gradcheck.comparison import Comparison, compare
from bpcli.gradcheck.functions import INNER, INPUTS, LayerFunction, Twin
from bpcli.gradcheck.layer_backward import Gradients, LayerBackward
from bpcli.gradcheck.lifting import Lifting, lift
from bpcli.gradcheck.numerical import Slope
from bpcli.gradcheck.projections import Direction, compare_projections, directions
from bpcli.gradcheck.pullback import Tick, pullback, weighted_noise
from bpcli.gradcheck.recording import Event, Pass
from bpcli.gradcheck.rounding import carried, floor, term_sizes
from bpcli.gradcheck.structure import Structure, explore, least_seconds, seconds
from bpcli.network import Chain, Network, Node
from bpcli.network.layer import Array

_ENDLESS = 1e100  # noise beyond is no larger for what it hides, but overflows where it is squared


@dataclass
class Examined:
    """What the check of one layer alone found, by target: "inputs", "inner", a parameter."""

    function: LayerFunction
    backward: LayerBackward
    v: Array  # ∂L/∂outputs, right
    analytic: Gradients
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    numeric: dict[str, Slope] = field(default_factory=dict)  # where every element was checked
    floors: dict[str, float] = field(default_factory=dict)  # of the gradients in the network
    noises: dict[str, Array] = field(default_factory=dict)  # that arrive, of inexact methods
    problems: list[str] = field(default_factory=list)  # promises that it breaks
    exact: bool = True  # complex steps alone from here to the loss

    @property
    def path(self) -> str:
        return self.function.path

    @property
    def failed(self) -> bool:
        return bool(self.problems) or any(c.failed for c in self.comparisons.values())


@dataclass(frozen=True)
class Arriving:
    """The gradient that arrives at a layer, with what it may be wrong by."""

    gradient: Array
    rounding: Array
    noise: Array | None = None  # of the numerical method, where it is not exact


class Functions:
    """The layers of a network as functions, made once; ``opened`` those that hold layers."""

    def __init__(self, twins: tuple[Twin, Twin], recorded: Pass) -> None:
        self.twins, self.recorded = twins, recorded
        self._made: dict[str, LayerFunction] = {}
        self._structures: dict[str, Structure] = {}
        self._liftings: dict[str, Lifting | None] = {}
        self.seconds_spent = 0.0  # on numerical derivatives

    def of(self, node: Node) -> LayerFunction:
        path = node.layer.path
        if path not in self._made:
            self._made[path] = self._opened(node) or LayerFunction(
                self.recorded.events[path], self.twins
            )
        return self._made[path]

    def _opened(self, node: Node) -> LayerFunction | None:
        """The function of a layer that calls the layers inside it once, as one chain."""
        chain: Chain | None = getattr(node.layer, "chain", None)
        if chain is None or not chain.nodes:
            return None
        last = self.recorded.events.get(chain.nodes[-1].layer.path)
        if last is None:
            return None
        event = self.recorded.events[node.layer.path]
        function = LayerFunction(event, self.twins, inner=last.outputs)
        outputs = function.outputs({})
        return function if function.calls == 1 and outputs.shape == event.outputs.shape else None

    def structure(self, function: LayerFunction) -> Structure:
        if function.path not in self._structures:
            self._structures[function.path] = explore(function, function.targets())
        return self._structures[function.path]

    def pullback(
        self,
        function: LayerFunction,
        target: str,
        v: Array,
        tick: Tick | None = None,
        through: Array | None = None,
    ) -> Slope:
        """Σ v ∂y/∂target, in the cheapest way that there is; ``through`` is what comes back to
        the inputs from the layers inside."""
        lifting, structure = self._lifting(function), self.structure(function)
        start = time.perf_counter()
        if lifting is not None and lifting.serves(target):
            found = lifting.pullback(target, v, tick)
        else:
            found = pullback(function, structure, target, v, tick)
        if through is not None:
            found = _with(found, function.of_received(), through)
        self.seconds_spent += time.perf_counter() - start
        return found

    def seconds(self, function: LayerFunction) -> float:
        """What the derivatives of a layer by everything take, about."""
        lifting, structure = self._lifting(function), self.structure(function)
        if lifting is None:
            return sum(seconds(function, structure, target) for target in function.targets())
        left = [target for target in function.targets() if not lifting.serves(target)]
        return lifting.seconds + sum(seconds(function, structure, target) for target in left)

    def _lifting(self, function: LayerFunction) -> Lifting | None:
        if function.path not in self._liftings:
            self._liftings[function.path] = self._worthwhile(function)
        return self._liftings[function.path]

    def _worthwhile(self, function: LayerFunction) -> Lifting | None:
        """The lifting of a layer, where it saves time: over many steps it may not."""
        structure = self.structure(function)
        lifting = lift(function, structure)
        if lifting is None:
            return None
        served = filter(lifting.serves, function.targets())
        one_by_one = sum(seconds(function, structure, target) for target in served)
        return lifting if lifting.seconds < one_by_one else None


class Localisation:
    """Examines the layers of a network from the last to the first."""

    def __init__(
        self,
        network: Network,
        functions: Functions,
        *,
        elements: bool,
        promises: bool = True,
        passed_over: Container[str] = (),
        tick: Tick | None = None,
    ) -> None:
        """``promises``: whether what a backward pass must not do is looked for, too;
        ``passed_over``: the paths of layers that are not examined."""
        self.passed_over = passed_over
        self.network, self.functions, self.promises = network, functions, promises
        self.elements, self.tick = elements, tick
        self.found: list[Examined] = []

    def examine(self, chain: Chain, arriving: Arriving, exact: bool = True) -> Arriving | None:
        """All layers of the chain, given what arrives at its end; returns what leaves its start,
        None where its inputs are codes, by which there is no derivative."""
        leaving: Arriving | None = arriving
        for node in reversed(chain.nodes):
            assert leaving is not None
            if node.layer.path in self.passed_over:
                leaving = self._pass_over(node, leaving)
            else:
                leaving, exact = self._examine(node, leaving, exact)
        return leaving

    def _examine(self, node: Node, arriving: Arriving, exact: bool) -> tuple[Arriving | None, bool]:
        function, event = self.functions.of(node), self.functions.recorded.events[node.layer.path]
        exact = exact and function.analytic
        inside: Arriving | None = None
        if function.opened:
            inside = self._inside(node, function, arriving, exact)
        backward = LayerBackward(
            self.network,
            event,
            inner=function.inner if function.opened else None,
            inner_gradient=inside.gradient if inside is not None else None,
        )
        v = self._test_gradient(event, arriving)
        examined = Examined(function, backward, v, backward.gradients(v), exact=exact)
        if self.promises:
            examined.problems = backward.broken_promises(v, examined.analytic)
        terms = term_sizes(backward, v, examined.analytic)
        inner_rounding = inside.rounding if inside is not None else None
        roundings = carried(backward, arriving.rounding, inner_rounding)
        for target, analytic in examined.analytic.items():
            self._compare(examined, target, analytic, terms[target], inside)
            rounding = roundings[target] = floor(terms[target]) + roundings[target]
            examined.floors[target] = float(rounding.max(initial=0.0))
        self.found.append(examined)
        examined.noises = _noises(backward, arriving, inside)
        return self._leaving(examined, arriving, inside, roundings.get(INPUTS)), exact

    def _pass_over(self, node: Node, arriving: Arriving) -> Arriving | None:
        """What leaves a layer as it was recorded, its rounding as much as of what arrived."""
        gradient = self.functions.recorded.events[node.layer.path].leaving
        return None if gradient is None else _resized(arriving, gradient, None)

    def _inside(
        self, node: Node, function: LayerFunction, arriving: Arriving, exact: bool
    ) -> Arriving | None:
        """Examines the layers inside, given how the loss changes with what they give."""
        chain: Chain = node.layer.chain  # type: ignore[attr-defined]
        event = self.functions.recorded.events[chain.nodes[-1].layer.path]
        if self.elements:
            gradient, noise = self.functions.pullback(function, INNER, arriving.gradient, self.tick)
        else:
            assert event.arriving is not None
            gradient, noise = event.arriving, None
        return self.examine(chain, _resized(arriving, gradient, noise), exact)

    def _test_gradient(self, event: Event, arriving: Arriving) -> Array:
        """What arrives, unless that says nothing: zeros hide every mistake."""
        gradient = arriving.gradient
        if np.isfinite(gradient).all() and (gradient.any() or self.elements):
            return gradient
        random: Array = np.asarray(default_rng(7).standard_normal(event.outputs.shape))
        return random

    def _compare(
        self,
        examined: Examined,
        target: str,
        analytic: Array,
        terms: float,
        inside: Arriving | None,
    ) -> None:
        function, v = examined.function, examined.v
        through = inside.gradient if target == INPUTS and inside is not None else None
        if self.elements:
            numeric = self.functions.pullback(function, target, v, self.tick, through)
            examined.numeric[target] = numeric
            examined.comparisons[target] = compare(
                analytic, numeric, floor(terms), function.analytic, terms
            )
            return
        tested = []
        for direction in directions(analytic):
            tested.append(Direction(direction, *_along(function, target, direction, v, through)))
        examined.comparisons[target] = compare_projections(
            analytic, tested, floor(terms), function.analytic, terms
        )

    def _leaving(
        self,
        examined: Examined,
        arriving: Arriving,
        inside: Arriving | None,
        rounding: Array | None,
    ) -> Arriving | None:
        event = examined.function.event
        if rounding is None:
            return None
        wrong = examined.comparisons[INPUTS].failed  # then it carries rounding wrongly, too
        if not self.elements:
            gradient = event.leaving if event.leaving is not None else examined.analytic[INPUTS]
            return _resized(arriving, gradient, None) if wrong else Arriving(gradient, rounding)
        numeric = examined.numeric[INPUTS]
        if wrong:
            rounding = _resized(arriving, numeric.values, None).rounding
        if numeric.noise is None and not examined.noises:
            return Arriving(numeric.values, rounding)
        noise = np.zeros(event.inputs.shape) if numeric.noise is None else numeric.noise
        if examined.noises:
            noise = noise + examined.noises[INPUTS].max(initial=0.0)
        return Arriving(numeric.values, rounding, noise)


def _noises(
    backward: LayerBackward, arriving: Arriving, inside: Arriving | None
) -> dict[str, Array]:
    """What the noise of the method that arrives turns into, by target; none of exact methods."""
    noises = [each.noise for each in (arriving, inside) if each is not None]
    if all(noise is None for noise in noises):
        return {}
    before, *inner = [
        np.zeros_like(each.gradient) if each.noise is None else np.minimum(each.noise, _ENDLESS)
        for each in (arriving, inside)
        if each is not None
    ]
    return carried(backward, before, inner[0] if inner else None)


def _resized(arriving: Arriving, gradient: Array, noise: Array | None) -> Arriving:
    """Another gradient, with as much rounding for its size."""
    size = float(np.abs(gradient).max(initial=0.0))
    before = float(np.abs(arriving.gradient).max(initial=0.0))
    share = size / before if before else 0.0
    if gradient.shape == arriving.rounding.shape:
        rounding = share * arriving.rounding + floor(size)
    else:
        largest = float(arriving.rounding.max(initial=0.0))
        rounding = np.full(gradient.shape, share * largest + floor(size))
    return Arriving(gradient, rounding, noise)


def _with(direct: Slope, received: LayerFunction, through: Array) -> Slope:
    """The derivative by the inputs directly, and by what the layers inside are given of them."""
    indirect = pullback(received, explore(received, [INPUTS]), INPUTS, through)
    if direct.noise is None or indirect.noise is None:
        return Slope(direct.values + indirect.values)
    return Slope(direct.values + indirect.values, direct.noise + indirect.noise)


def _along(
    function: LayerFunction, target: str, direction: Array, v: Array, through: Array | None
) -> tuple[float, float]:
    """v·(J d), and the noise of the method in it."""
    slope = function.slope({target: direction})
    value, noise = _inner(v, slope)
    if through is not None:
        more = _inner(through, function.of_received().slope({target: direction}))
        value, noise = value + more[0], noise + more[1]
    return value, noise


def _inner(v: Array, slope: Slope) -> tuple[float, float]:
    noise = 0.0 if slope.noise is None else float(weighted_noise(slope.noise, v).sum())
    return float(np.add.reduce(v * slope.values, axis=None)), noise


def all_functions(chain: Chain, functions: Functions) -> Iterator[LayerFunction]:
    """Of every layer, those inside opened ones too."""
    for node in chain.nodes:
        function = functions.of(node)
        yield function
        if function.opened:
            yield from all_functions(node.layer.chain, functions)  # type: ignore[attr-defined]


def estimate(chain: Chain, functions: Functions, enough: float) -> float:
    """Seconds that checking every element takes, or at least takes if that is ``enough``."""
    every = list(all_functions(chain, functions))
    least = sum(map(least_seconds, every))
    return least if least > enough else sum(map(functions.seconds, every))
