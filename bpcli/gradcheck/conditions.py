"""The conditions that a network is checked under.

As the spec starts it, biases are 0 and scales are 1, and a mistake that a bias or a scale would
show stays hidden; so does one in weight decay or dropout that is off, or in a mean over a batch of
one. A second condition leaves none of these at a special value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.gradcheck.failures import ENDS
from bpcli.network import Network, Node
from bpcli.network.cost import multiply_adds
from bpcli.network.layer import Array

BATCH = 8
_BATCHES = (7, 5, 3, 6, 4, 2)  # for a factor of the batch size to be told from other factors
OWN, RANDOM = "own", "random"
L2 = 0.01
_NUMBERS = 1 << 20  # in the outputs of all layers
_MULTIPLY_ADDS = 1 << 26  # of one pass
_REASON = 1e3  # how much larger than with the network's own parameters a value may get
_NUDGE = 1e-3  # of the size of what is moved: far more than the step that finds kinks


@dataclass
class Condition:
    """A network in float64 at some point, a batch, and another batch of the same size."""

    name: str
    network: Network
    inputs: Array
    targets: Array
    other_inputs: Array
    other_targets: Array
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        return len(self.inputs)


def own_condition(network: Network, inputs: Array, targets: Array) -> Condition:
    """The parameters as they are, on the first examples."""
    count = min(_most_examples(network), len(inputs))
    rows, others = np.arange(count), np.arange(count, 2 * count) % len(inputs)
    return Condition(
        OWN,
        network.copy(np.float64),
        _wide(inputs[rows]),
        targets[rows],
        _shaken(inputs[others], default_rng(1))
        if count * 2 > len(inputs)
        else _wide(inputs[others]),
        targets[others],
        network.seed,
    )


def random_condition(network: Network, inputs: Array, targets: Array) -> Condition:
    """Random biases and scales, weight decay on, a batch of more than one, inputs off zero."""
    count = _batch_size(network, len(inputs))
    random = default_rng([network.seed, 17])
    rows, others = np.arange(count) % len(inputs), np.arange(count, 2 * count) % len(inputs)
    copy = network.copy(np.float64)
    copy.l2 = max(network.l2, L2)
    condition = Condition(
        RANDOM,
        copy,
        _shaken(inputs[rows], random),
        targets[rows],
        _shaken(inputs[others], random),
        targets[others],
        network.seed + 1,
    )
    _randomize_within_reason(condition, random)
    return condition


def _randomize_within_reason(condition: Condition, random: Generator) -> None:
    """As far as the signal stays of its size: a deep or recurrent network may explode."""
    network, start = condition.network, condition.network.parameters.vector.copy()
    usual = _reach(condition)
    for share in (1.0, 0.3, 0.1, 0.03):
        network.parameters.vector[...] = start
        randomize(network, random, share)
        if _reach(condition) <= _REASON * max(usual, 1.0):
            return


def _reach(condition: Condition) -> float:
    """The largest value that any layer gives."""
    largest = 0.0

    class Watch:
        def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
            nonlocal largest
            size = float(np.abs(outputs).max(initial=0.0))
            largest = max(largest, size if np.isfinite(size) else np.inf)

        def backward(self, *_: Any) -> None: ...

    network = condition.network.copy(np.float64)  # one of its own: layers may keep things
    network.observe(Watch())
    try:
        network.forward(condition.inputs, training=True)
    except ENDS:  # the check itself will say what fails
        return np.inf
    return largest


def _batch_size(network: Network, available: int) -> int:
    """A number that no shape of the network is made of, and not that of the other condition."""
    nodes = network.nodes
    sizes = {n for node in nodes for n in (*node.input_shape, *node.output_shape)}
    sizes |= {min(BATCH, available), math.prod(network.chain.output_shape)}
    most = max(_most_examples(network), 3)
    return next((n for n in _BATCHES if n not in sizes and n <= most), min(7, most))


def _most_examples(network: Network) -> int:
    """As many as are quick to go through, at least two."""
    numbers = sum(math.prod(node.output_shape) for node in network.nodes)
    work = sum(map(multiply_adds, network.nodes))
    return max(2, min(BATCH, _NUMBERS // max(numbers, 1), _MULTIPLY_ADDS // max(work, 1)))


def randomize(network: Network, random: Generator, share: float = 1.0) -> None:
    """Biases and scales at random; weights a little moved, those that are all alike drawn anew."""
    for values in network.parameters.values():
        alike = values.size > 1 and bool((values == values.flat[0]).all())
        if values.ndim < 2:
            values *= 1 + share * random.uniform(-0.4, 0.4, values.shape)
            values += share * random.normal(0, 0.3, values.shape)
        elif alike:
            deviation = 1 / math.sqrt(math.prod(values.shape[:-1]))
            values[...] = share * random.normal(0, deviation, values.shape)
        else:
            values *= 1 + share * random.uniform(-0.2, 0.2, values.shape)


def nudge(condition: Condition) -> None:
    """Moves parameters and inputs a little, off whatever kinks they are at."""
    random = default_rng([condition.seed, 19])
    for values in condition.network.parameters.values():
        size = max(float(np.abs(values).max(initial=0.0)), 0.1)
        values += _NUDGE * size * random.standard_normal(values.shape)
    condition.inputs = _shaken(condition.inputs, random, _NUDGE)


def _wide(inputs: Array) -> Array:
    return inputs.astype(np.float64) if inputs.dtype.kind == "f" else inputs.copy()


def _shaken(inputs: Array, random: Generator, share: float = 0.1) -> Array:
    """Moved by a share of their size; codes of symbols stay."""
    if inputs.dtype.kind != "f":
        return inputs.copy()
    size = float(np.sqrt(np.mean(np.square(inputs, dtype=np.float64)))) or 1.0
    shaken: Array = inputs + share * size * random.standard_normal(inputs.shape)
    return shaken
