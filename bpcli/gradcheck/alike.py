"""Layers that are alike: the same class with the same options, of the same shapes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields

from bpcli.network import Chain, Network, Node

_EXAMINED = 3  # of each kind: the first, the last and the one between


def alike(network: Network) -> dict[str, str]:
    """The layers that others stand for, with all that is inside of them: path -> path of the
    other."""
    kinds: dict[Hashable, list[Node]] = {}
    for node in network.chain.nodes:
        kinds.setdefault(_kind(node), []).append(node)
    found: dict[str, str] = {}
    for nodes in kinds.values():
        examined = {round(n * (len(nodes) - 1) / (_EXAMINED - 1)) for n in range(_EXAMINED)}
        for place, node in enumerate(nodes):
            if place not in examined:
                pairs = zip(_walk(node), _walk(nodes[0]), strict=True)
                found.update((inner.layer.path, other.layer.path) for inner, other in pairs)
    return found


def _kind(node: Node) -> Hashable:
    layer = node.layer
    options = [getattr(layer, each.name) for each in fields(layer) if each.name != "label"]
    # the first layer sends no gradient back
    chain: Chain | None = getattr(layer, "chain", None)
    inside = tuple(map(_kind, chain.nodes)) if chain is not None else ()
    return type(layer), repr(options), node.input_shape, layer.needs_input_gradient, inside


def _walk(node: Node) -> list[Node]:
    chain: Chain | None = getattr(node.layer, "chain", None)
    inner = chain.nodes if chain is not None else ()
    return [node, *(each for other in inner for each in _walk(other))]
