"""What a network takes: multiply-adds of its matrix products, and memory.

Elementwise work (activations, norms) is not counted: it costs memory traffic, not arithmetic. A
backward pass multiplies twice as much as the forward pass: for ∂L/∂W and for ∂L/∂x.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from bpcli.network.chain import Chain, Node
from bpcli.network.layer import Shape
from bpcli.network.parameters import flatten

_NOT_MULTIPLIED = ("embedding", "position")  # looked up and added
_STATES = {"rnn": 1, "lstm": 7, "gru": 5}  # at each step: h; i f g o c tanh(c) h; r z n q h
_RECURRENT = tuple(_STATES)
_NORMALIZING = ("batch_norm", "layer_norm", "rms_norm")


def own_parameters(node: Node) -> dict[str, Shape]:
    """The shapes of a layer's own parameters; those of layers inside it are theirs."""
    declared = node.layer.parameters(node.input_shape)
    inner: Chain | None = getattr(node.layer, "chain", None)
    if inner is not None:
        declared = {name: value for name, value in declared.items() if name not in _names(inner)}
    return {name: shape for name, (shape, _) in flatten(declared).items()}


def _names(chain: Chain) -> set[str]:
    return {node.name for node in chain.nodes}


def parameter_count(node: Node) -> int:
    return sum(map(math.prod, own_parameters(node).values()))


def multiply_adds(node: Node) -> int:
    """Of one example's forward pass: each weight is used once at every position of the output.

    A recurrent layer uses its weights at every position of its input, and attention over T
    positions adds 2 T² d for its scores and its sums of values.
    """
    kind = node.layer.name
    if kind in _NOT_MULTIPLIED:
        return 0
    weights = sum(math.prod(s) for s in own_parameters(node).values() if len(s) > 1)
    if not weights:
        return 0
    through = node.input_shape if kind in _RECURRENT else node.output_shape
    total = weights * math.prod(through[:-1])
    if kind == "attention":
        positions, width = node.input_shape[-2:]
        total += 2 * positions * positions * width
    return total


def activation_count(chain: Chain) -> int:
    """Numbers that a forward pass keeps of one example: the input, what each layer gives, and what
    it has inside that its gradient needs."""
    return math.prod(chain.input_shape) + sum(map(_kept, _leaves(chain)))


def _kept(node: Node) -> int:
    """The output; of recurrent layers all gates and states too, of attention queries, keys,
    values, weights and their sums, of normalization the normalized values."""
    kind, outputs = node.layer.name, math.prod(node.output_shape)
    if kind in _RECURRENT:
        return outputs + _STATES[kind] * node.input_shape[0] * node.output_shape[-1]
    if kind == "attention":
        positions = node.input_shape[-2]
        return 5 * outputs + getattr(node.layer, "heads", 1) * positions * positions
    return 2 * outputs if kind in _NORMALIZING else outputs


def _leaves(chain: Chain) -> Iterator[Node]:
    return (node for node in chain.walk() if getattr(node.layer, "chain", None) is None)
