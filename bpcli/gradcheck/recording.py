"""One forward and backward pass through a network, with all that entered and left each layer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.gradcheck.failures import ENDS, NonFiniteForward, broken, raised
from bpcli.network import Network, Node
from bpcli.network.layer import Array

_DROPOUT, _JUNK = 2, 3  # streams of random numbers
_UNUSED = default_rng(0)  # for layers that draw nothing
_JUNK_VALUES = default_rng(_JUNK).uniform(1, 2, 1021)


@dataclass
class Event:
    """What a layer saw of one pass."""

    node: Node
    inputs: Array
    outputs: Array
    random_state: Any  # of the generator before the layer drew from it
    draws: bool  # whether it drew
    arriving: Array | None = None  # ∂L/∂outputs
    leaving: Array | None = None  # ∂L/∂inputs

    def random(self) -> Generator:
        """A generator that gives what the layer drew."""
        if not self.draws:
            return _UNUSED
        random = default_rng(0)
        random.bit_generator.state = self.random_state
        return random


@dataclass
class Pass:
    """A pass; ``events`` by the layers' paths, those inside a layer before it."""

    loss: float
    outputs: Array
    output_gradient: Array
    events: dict[str, Event]
    gradients: dict[str, Array]
    input_gradient: Array | None


class _Recorder:
    """Observes a network; holds each layer to the shapes that it declared, and to its precision."""

    def __init__(self, random: Generator, dtype: np.dtype[Any], inputs: Array) -> None:
        self.events: dict[str, Event] = {}
        self._dtype = dtype
        # what the next layer gets, and a copy, for it must leave that as it is
        self._handed_on = inputs, inputs.copy()
        self._random = random
        self._last = random.bit_generator.state
        self._arrived: Array | None = None

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        given, as_it_was = self._handed_on
        if inputs is given and not np.array_equal(inputs, as_it_was, equal_nan=True):
            raise broken(node.layer, "forward", "changes its inputs, which it must leave alone")
        _require(node, "forward", outputs, (len(inputs), *node.output_shape), self._dtype)
        before, after = self._before(node), self._random.bit_generator.state
        self._last = after
        event = Event(node, inputs.copy(), outputs.copy(), before, before != after)
        self.events[node.layer.path] = event
        self._handed_on = outputs, event.outputs

    def _before(self, node: Node) -> Any:
        """The generator's state as the layer began, with the layers inside it."""
        chain = getattr(node.layer, "chain", None)
        if chain is not None and chain.nodes:
            first = self.events.get(chain.nodes[0].layer.path)
            return first.random_state if first else self._last
        return self._last

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        event = self.events[node.layer.path]
        event.arriving = output_gradient.copy()
        if input_gradient is None:
            if node.layer.needs_input_gradient:
                raise broken(node.layer, "backward", "returned None for the gradient by its inputs")
            return
        if event.inputs.dtype.kind == "f":
            _require(node, "backward", input_gradient, event.inputs.shape, self._dtype)
            event.leaving = input_gradient.copy()


def _require(
    node: Node, method: str, array: Any, expected: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    what = "outputs" if method == "forward" else "a gradient by its inputs"
    if not isinstance(array, np.ndarray):
        kind = type(array).__name__
        raise broken(node.layer, method, f"must give {what} as an array, gave {kind}")
    if array.shape != expected:
        raise broken(
            node.layer, method, f"must give {what} of shape {expected}, gave {array.shape}"
        )
    if array.dtype != dtype:
        raise broken(
            node.layer,
            method,
            f"must give {what} in the precision of the network, here {dtype}, gave {array.dtype}",
        )


def record(network: Network, inputs: Array, targets: Array, seed: int) -> Pass:
    """One pass in training mode; the gradients are junk before, so that adding to them shows.

    Raises LayerFailure where a layer's code fails, NonFiniteForward where the loss is not finite.
    """
    random = default_rng([seed, _DROPOUT])
    recorder = _Recorder(random, network.dtype, inputs)
    fill_with_junk(network.gradients.vector)
    with _observed(network, recorder, inputs.dtype.kind == "f"):
        try:
            outputs = network.forward(inputs, training=True, random=random).copy()
            value, cache = network.loss.forward(outputs, targets)
            _require_finite(network, recorder.events, value)
            output_gradient = network.loss.backward(cache).copy()
            input_gradient = network.backward(output_gradient.copy())
        except ENDS as error:
            failure = raised(error, [node.layer for node in network.nodes])
            raise failure or error from None
        gradients = {name: gradient.copy() for name, gradient in network.gradients.items()}
        leaving = None if input_gradient is None else input_gradient.copy()
    return Pass(
        float(value) + network.penalty(),
        outputs,
        output_gradient,
        recorder.events,
        gradients,
        leaving,
    )


@contextmanager
def _observed(network: Network, recorder: _Recorder, differentiable: bool) -> Iterator[None]:
    state = network.state.vector.copy()
    network.keep_input_gradient(differentiable)
    network.observe(recorder)
    try:
        yield
    finally:
        network.observe(None)
        network.keep_input_gradient(False)
        network.state.vector[...] = state


def _require_finite(network: Network, events: dict[str, Event], value: Any) -> None:
    if np.isfinite(value):
        return
    for path, event in events.items():
        if not np.isfinite(event.outputs).all():
            raise NonFiniteForward(
                f"the forward pass gives values that are not finite, first in {path} "
                f"({event.node.layer.place}), so there is no gradient to check; smaller weights "
                "or scaled inputs would keep them finite"
            )
    raise NonFiniteForward("the loss is not finite, so there is no gradient to check")


def fill_with_junk(gradients: Array) -> None:
    """Numbers that no backward pass would leave there."""
    gradients[...] = np.resize(_JUNK_VALUES, gradients.shape)


def seconds_of_backpropagation(network: Network, inputs: Array, targets: Array) -> float:
    """The best of a few forward and backward passes."""
    state = network.state.vector.copy()
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        network.loss_and_gradients(inputs, targets)
        taken.append(time.perf_counter() - start)
    network.state.vector[...] = state
    return min(taken)
