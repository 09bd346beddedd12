"""What theory says of a job's network, to be drawn over what was measured."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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
    blocks = list(_blocks(chain.nodes))
    alike = Counter(block[1:] for block in blocks).most_common(1)
    if not alike or alike[0][1] < 2:
        return None
    most, count = alike[0]
    activation = next(block[0] for block in blocks if block[1:] == most)
    _, weight_variance, bias_variance = most
    depth = mean_field(Activation(activation), weight_variance, bias_variance).correlation_depth
    return count / depth if depth > 0 else None


def _blocks(nodes: Sequence[Node]) -> Iterator[tuple[Any, str, float, float]]:
    """Of each dense layer that an activation follows: it, its name, σ_w² and σ_b²."""
    for node, following in itertools.pairwise(nodes):
        layer: Any = node.layer
        if layer.name == "dense" and isinstance(following.layer, activations.Activation):
            shape, init = flatten(layer.parameters(node.input_shape))["weight"]
            weight = shape[0] * initial_moments(init, shape).square
            bias = initial_moments(layer.bias, (1,)).square if isinstance(layer.bias, Init) else 0.0
            # to so many digits, layers of different widths have the same
            yield following.layer, following.layer.name, round(weight, 9), round(bias, 9)
