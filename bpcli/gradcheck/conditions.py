"""The conditions that a network is checked under.

As the spec starts it, biases are 0 and scales are 1, and a mistake that a bias or a scale would
show stays hidden; so does one in weight decay or dropout that is off, or in a mean over a batch of
one. A second condition leaves none of these at a special value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.network import Network
from bpcli.network.layer import Array

BATCH = 8
_BATCHES = (7, 5, 3, 6, 4, 2)  # for a factor of the batch size to be told from other factors
OWN, RANDOM = "own", "random"
L2 = 0.01
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
    count = min(BATCH, len(inputs))
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
    randomize(copy, random)
    return Condition(
        RANDOM,
        copy,
        _shaken(inputs[rows], random),
        targets[rows],
        _shaken(inputs[others], random),
        targets[others],
        network.seed + 1,
    )


def _batch_size(network: Network, available: int) -> int:
    """A number that no shape of the network is made of, and not that of the other condition."""
    nodes = network.nodes
    sizes = {n for node in nodes for n in (*node.input_shape, *node.output_shape)}
    sizes |= {min(BATCH, available), math.prod(network.chain.output_shape)}
    return next((n for n in _BATCHES if n not in sizes), 7)


def randomize(network: Network, random: Generator) -> None:
    """Biases and scales at random; weights a little moved, those that are all alike drawn anew."""
    for name, values in network.parameters.items():
        alike = values.size > 1 and bool((values == values.flat[0]).all())
        if values.ndim < 2:
            values *= random.uniform(0.6, 1.4, values.shape)
            values += random.normal(0, 0.3, values.shape)
        elif alike:
            deviation = 1 / math.sqrt(math.prod(values.shape[:-1]))
            values[...] = random.normal(0, deviation, values.shape)
        else:
            network.parameters[name][...] *= random.uniform(0.8, 1.2, values.shape)


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
