"""What theory says of a job's network, to be drawn over what was measured."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

from bpcli.build import plan
from bpcli.diagnosis.expectation import Activation
from bpcli.diagnosis.initial_moments import initial_moments
from bpcli.diagnosis.theory import mean_field
from bpcli.network import Node
from bpcli.network.layers import activations
from bpcli.network.parameters import flatten
from bpcli.spec.initializers import Init
from bpcli.spec.model import Spec
from bpcli.sweep.jobs import Job
from bpcli.sweep.table import CORRELATION_DEPTHS, Row


def add_correlation_depths(rows: Sequence[Row], jobs: Iterable[Job]) -> None:
    """Adds to each row how many ξ_c its network is deep; nothing where there is no theory of it."""
    by_job = {row["job"]: row for row in rows}
    known: dict[int, tuple[object, float | None]] = {}  # by the network's id, which it holds
    for job in jobs:
        row, network = by_job.get(job.number), job.spec.network
        if row is None:
            continue
        if id(network) not in known:
            known[id(network)] = (network, correlation_depths(job.spec))
        depths = known[id(network)][1]
        if depths is not None:
            row[CORRELATION_DEPTHS] = depths


def correlation_depths(spec: Spec) -> float | None:
    """L / ξ_c: the hidden layers of a deep network, in units of the depth in which two examples
    forget how alike they were.

    Networks train up to some 6 ξ_c (Schoenholz et al. 2017, figure 5). Of dense layers with one
    activation, σ_w² and σ_b², as most of the network's are; None where fewer than two are alike.
    """
    chain, _ = plan(spec)
    blocks = Counter(_blocks(chain.nodes)).most_common(1)
    if not blocks or blocks[0][1] < 2:
        return None
    block, count = blocks[0]
    depth = _correlation_depth(block)
    return count / depth if depth > 0 else None


class _Block(NamedTuple):
    """A dense layer and the activation after it; layers of different widths may be equal."""

    options: tuple[object, ...]  # of the activation
    activation: _Apart
    weight_variance: float  # σ_w²
    bias_variance: float  # σ_b²


class _Apart:
    """A layer that plays no part when blocks are compared."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Apart)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=1000)
def _correlation_depth(block: _Block) -> float:
    activation = Activation(block.activation.layer)
    return mean_field(activation, block.weight_variance, block.bias_variance).correlation_depth


def _blocks(nodes: Sequence[Node]) -> Iterator[_Block]:
    for node, following in itertools.pairwise(nodes):
        layer: Any = node.layer
        after = following.layer
        if layer.name == "dense" and isinstance(after, activations.Activation):
            shape, init = flatten(layer.parameters(node.input_shape))["weight"]
            weight = shape[0] * initial_moments(init, shape).square
            bias = initial_moments(layer.bias, (1,)).square if isinstance(layer.bias, Init) else 0.0
            options = (after.name, *(getattr(after, each.name) for each in fields(after)[1:]))
            yield _Block(options, _Apart(after), round(weight, 9), round(bias, 9))
