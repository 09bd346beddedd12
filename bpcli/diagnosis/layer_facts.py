"""Facts about the layers of a network: what stands where, and how its weights start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from bpcli.diagnosis.expectation import Activation, moments
from bpcli.diagnosis.flow import LayerFacts
from bpcli.diagnosis.kinds import MULTIPLYING, NORMALIZING
from bpcli.diagnosis.prediction import Prediction
from bpcli.diagnosis.theory import (
    critical_weight_variance,
    largest_singular_value,
    preserving_weight_variance,
    spectral_radius,
)
from bpcli.network import Network, Node
from bpcli.network.layer import make_layer
from bpcli.network.layers import activations
from bpcli.spec.layers import LAYERS

_LARGEST_MATRIX = 1024  # rows of recurrent weights whose eigenvalues are computed


def layers_of(network: Network, prediction: Prediction | None = None) -> tuple[LayerFacts, ...]:
    """Facts about every layer, in forward order."""
    nodes = network.nodes
    trunk = {node.layer.path for node in network.chain.nodes if multiplies(node)}
    return tuple(
        _facts(network, node, nodes[place + 1 :], node.layer.path in trunk, prediction)
        for place, node in enumerate(nodes)
    )


def multiplies(node: Node) -> bool:
    """Whether it belongs to the trunk: it multiplies by weights, itself or inside."""
    inner = getattr(node.layer, "chain", None)
    if inner is not None:
        return any(multiplies(each) for each in inner.nodes)
    return node.layer.name in MULTIPLYING


def _facts(
    network: Network,
    node: Node,
    after: Sequence[Node],
    in_trunk: bool,
    prediction: Prediction | None,
) -> LayerFacts:
    path, kind = node.layer.path, node.layer.name
    follower, normalized = _followers(after)
    weight = network.parameters.get(f"{path}.weight")
    gain = None
    if kind in ("dense", "conv1d", "conv2d") and weight is not None:
        fan_in = math.prod(weight.shape[:-1])
        gain = fan_in * float(np.mean(np.square(weight.astype(np.float64))))
    bias = network.parameters.get(f"{path}.bias")
    recurrent = network.parameters.get(f"{path}.recurrent_weight") if kind == "rnn" else None
    small = recurrent is not None and len(recurrent) <= _LARGEST_MATRIX
    return LayerFacts(
        path,
        kind,
        math.prod(node.output_shape[-1:]),
        weighted=any(name.startswith(path + ".") for name in network.parameters),
        trunk=in_trunk,
        activation=follower.layer.name if follower is not None else "",
        place=node.layer.place,
        normalized=normalized,
        gain=gain,
        critical_gain=_critical_gain(follower) if gain is not None else None,
        chi=_chi(path, gain, follower, prediction),
        bias=float(bias.mean()) if bias is not None else 0.0,
        last_state_only=getattr(node.layer, "returns", "last") == "last",
        spectral_radius=spectral_radius(recurrent) if small and recurrent is not None else None,
        largest_singular_value=(
            largest_singular_value(recurrent) if small and recurrent is not None else None
        ),
    )


def _followers(after: Sequence[Node]) -> tuple[Node | None, bool]:
    """(the activation before the next weights, whether a normalization comes before it)."""
    normalized = False
    for node in after:
        if isinstance(node.layer, (activations.Activation, activations.Softmax)):
            return node, normalized
        normalized = normalized or node.layer.name in NORMALIZING
        if multiplies(node):
            break
    return None, normalized


def _critical_gain(follower: Node | None) -> float | None:
    """σ_w² at which χ₁ = 1; where there is none, that which keeps the signal."""
    if follower is None:
        return 1.0
    if follower.layer.name in ("softmax", "exponential"):
        return None
    layer = follower.layer
    options = tuple((each.name, getattr(layer, each.name)) for each in fields(layer))
    return _critical(layer.name, options)


@lru_cache(maxsize=64)
def _critical(name: str, options: tuple[tuple[str, Any], ...]) -> float | None:
    activation = Activation(make_layer(LAYERS[name](**dict(options))))
    critical = critical_weight_variance(activation)
    if critical is None or critical > 10:  # sigmoid: no usual weights come near
        critical = preserving_weight_variance(activation)
    return critical


def _chi(
    path: str, gain: float | None, follower: Node | None, prediction: Prediction | None
) -> float | None:
    if gain is None or follower is None or prediction is None:
        return None
    signal = prediction.signals.get(path)
    if signal is None or not isinstance(follower.layer, activations.Activation):
        return None
    mean = signal.mean
    own = moments(Activation(follower.layer), max(signal.square - mean**2, 0.0), mean)
    return gain * own.slope_square


def symmetric_layers(network: Network) -> frozenset[str]:
    """Hidden dense layers whose units have equal weights coming in and going out.

    Their units give the same output and get the same gradient at every step. Between two layers
    that both multiply nothing but elementwise layers may stand.
    """
    found = set()
    for chain_nodes in _chains(network):
        dense = [node for node in chain_nodes if node.layer.name == "dense"]
        for node, following in pairwise(dense):
            incoming = network.parameters[f"{node.layer.path}.weight"]
            outgoing = network.parameters[f"{following.layer.path}.weight"]
            if incoming.shape[1] < 2 or incoming.shape[1] != outgoing.shape[0]:
                continue
            bias = network.parameters.get(f"{node.layer.path}.bias")
            alike = _equal(incoming.T) and _equal(outgoing)
            if alike and (bias is None or _equal(bias[:, np.newaxis])):
                found.add(node.layer.path)
    return frozenset(found)


def _chains(network: Network) -> list[list[Node]]:
    inner = [node.layer.chain.nodes for node in network.nodes if hasattr(node.layer, "chain")]
    return [network.chain.nodes, *inner]


def _equal(rows: Any) -> bool:
    return bool((rows == rows[:1]).all())
