"""From a spec to its data and network: where spec, data and network meet.

Whatever does not fit is a :class:`~bpcli.errors.SpecError` at the line of the spec that asks for
it, found from the data's headers where they tell enough, and before memory is taken.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from bpcli.data import Dataset, Description, describe, first_layer, load_data, takes_codes
from bpcli.errors import Problem, SpecError
from bpcli.memory import format_bytes, physical_memory
from bpcli.network import Chain, LayerError, Network
from bpcli.network.layer import Layer, Shape
from bpcli.network.parameters import flatten
from bpcli.spec.layers import LAYERS, Embedding, LayerOptions, Repeat
from bpcli.spec.model import Spec

_COPIES = 4  # of each parameter: itself, its gradient and, at most, two moments of the optimizer


def prepare(spec: Spec) -> tuple[Dataset, Network]:
    """The data read and the network built, ready to train; raises SpecError and DataError."""
    check(spec, describe(spec))
    dataset = load_data(spec)
    return dataset, network_on(spec, dataset)


def network_on(spec: Spec, dataset: Dataset) -> Network:
    """The spec's network for data that are read already; raises SpecError."""
    return network_for(spec, dataset.preparation.description(dataset.examples))


def build_network(spec: Spec, dtype: DTypeLike | None = None) -> Network:
    """The spec's network with its initial weights; reads no more of the data than it must.

    ``dtype`` is the spec's own unless given. Raises SpecError and DataError.
    """
    return network_for(spec, plan(spec)[1], dtype)


def plan(spec: Spec) -> tuple[Chain, Description]:
    """The layers joined, without any parameters, and what the data ask of them.

    Reads no more of the data than it must. Raises SpecError and DataError.
    """
    description = describe(spec)
    chain = check(spec, description)
    whole = completed(spec, description)
    if whole is not description:
        chain = check(spec, whole)
    assert chain is not None
    return chain, whole


def completed(spec: Spec, description: Description) -> Description:
    """What the data ask of a network, with what their headers do not tell; reads them only then."""
    unknown = None in (description.input_shape, description.output_shape)
    if not unknown and (description.vocabulary is not None or not takes_codes(spec)):
        return description
    dataset = load_data(spec)
    return dataset.preparation.description(dataset.examples)


def check(spec: Spec, description: Description) -> Chain | None:
    """The layers joined, without any parameters, or None while the inputs' shape is unknown.

    Raises SpecError where a shape does not fit, the outputs do not fit the targets, or the
    parameters and activations do not fit into memory.
    """
    _check_codes(spec, description)
    if description.input_shape is None:
        return None
    try:
        chain = Chain(_layers(spec, description), description.input_shape)
    except LayerError as error:
        raise _placed(spec, error.place, error.problems[0].message) from None
    _check_memory(spec, chain, description)
    _check_outputs(spec, chain, description)
    return chain


def network_for(spec: Spec, description: Description, dtype: DTypeLike | None = None) -> Network:
    """The spec's network for data like these; raises SpecError."""
    chain = check(spec, description)
    assert chain is not None
    return Network(
        _layers(spec, description),
        spec.loss,
        chain.input_shape,
        dtype=dtype or spec.dtype,
        seed=spec.seed,
        l2=spec.training.l2,
    )


def check_trainable(spec: Spec, network: Network) -> None:
    """Refuses a network without parameters; raises SpecError."""
    if not network.parameters.vector.size:
        raise _placed(
            spec,
            "network",
            "the network has no parameters, so there is nothing to train; add a layer that has "
            "some, such as `dense: 8`, at network",
        )


def check_last_batch(spec: Spec, dataset: Dataset, network: Network) -> None:
    """Refuses batch norm over the lone example that an epoch ends with; raises SpecError.

    The layer itself says so too, but only when it gets there.
    """
    examples = len(dataset.train)
    size = min(spec.training.batch_size, examples)
    if (examples % size or size) > 1:
        return
    for node in network.chain.walk():
        if node.layer.name == "batch_norm" and math.prod(node.input_shape[:-1]) == 1:
            raise _placed(
                spec,
                node.layer.place,
                f"batch_norm needs two examples or more in each batch; {examples:,} examples in "
                f"batches of {size:,} end with a single one; choose another batch_size, or "
                f"layer_norm, at {node.layer.place} ({node.layer.path})",
            )


def _layers(spec: Spec, description: Description) -> tuple[LayerOptions, ...]:
    """The spec's layers, with the data's vocabulary where an embedding at the front has none."""

    def filled(layers: tuple[LayerOptions, ...]) -> tuple[LayerOptions, ...]:
        first, rest = layers[0], layers[1:]
        if isinstance(first, Repeat):
            first = replace(first, layers=filled(first.layers))
        elif isinstance(first, Embedding) and first.vocabulary is None:
            # a table as large as any while only the data can tell
            first = replace(first, vocabulary=description.vocabulary or 1)
        return (first, *rest)

    return filled(spec.network)


def _check_codes(spec: Spec, description: Description) -> None:
    """Codes need an embedding, an embedding needs codes, and a vector for each of them."""
    (first, path), count = first_layer(spec), description.vocabulary
    given = getattr(first, "vocabulary", None)
    if count is None:
        return
    if not count and takes_codes(spec):
        message = "an embedding takes codes, whole numbers from 0; the data hold other numbers"
    elif count and not takes_codes(spec) and first.name in LAYERS:
        message = f"text needs an embedding first, like `embedding: 32`; received {first.name}"
    elif count and given is not None and given < count:
        path += ".embedding.vocabulary"
        message = f"vocabulary must be at least {count}, as the data have; received {given}"
    else:
        return
    raise _placed(spec, path, f"{message}, at {path}")


def _placed(spec: Spec, path: str, message: str) -> SpecError:
    place = spec.source.place(path)
    return SpecError([Problem(message, spec.source.file, place.line, place.column)])


def _check_outputs(spec: Spec, chain: Chain, description: Description) -> None:
    """The network must give as many outputs as the targets ask for."""
    expected = description.output_shape
    if expected is None:
        return
    if chain.output_shape == expected:
        return
    last = chain.nodes[-1].layer
    reason = f"{spec.loss.name} on these data needs {_outputs(expected)}"
    if description.classes and len(expected) > 1:
        reason += f", at each position one for each of the {len(description.classes)} characters"
    elif description.classes and expected != (1,):
        shown = ", ".join(description.classes[:5]) + (
            ", ..." if len(description.classes) > 5 else ""
        )
        reason += f", one for each class ({shown})"
    raise _placed(
        spec,
        last.place,
        f"{reason}; received {_outputs(chain.output_shape)}, at {last.place} ({last.path})"
        f"{_advice(chain, expected)}",
    )


def _advice(chain: Chain, expected: Shape) -> str:
    """Where the outputs have other positions than the targets: which layer should keep, or end,
    them."""
    axes = len(chain.output_shape)
    if len(expected) == 2:
        for node in chain.nodes:
            if len(node.output_shape) < 2 or node.output_shape[0] != expected[0]:
                return f"; {node.layer.path} gives up positions: {_keeping(node.layer)}"
    elif axes > len(expected):
        readers = (node.layer for node in reversed(chain.nodes) if hasattr(node.layer, "returns"))
        reader = next(readers, None)
        cure = f"say `return: last` in {reader.path}, or put" if reader and axes == 2 else "put"
        return f"; {cure} flatten or global_avg_pool{axes - 1}d before {chain.nodes[-1].layer.path}"
    return ""


def _keeping(layer: Layer) -> str:
    """How a layer on a sequence keeps all positions."""
    if hasattr(layer, "returns"):
        return "say `return: sequence` there"
    if hasattr(layer, "stride"):
        return "say `stride: 1` and `padding: same` there, or leave it out"
    return "leave it out"


def _outputs(shape: Shape) -> str:
    if len(shape) == 1:
        return f"{shape[0]} output" + ("s" if shape[0] > 1 else "")
    return f"outputs of shape {shape}"


def _check_memory(spec: Spec, chain: Chain, description: Description) -> None:
    """Refuses, before anything is allocated, what this machine's memory cannot hold.

    A batch larger than the data is as large as they are; while that is not known, one example
    must fit.
    """
    batch = min(spec.training.batch_size, description.examples or 1)
    size = np.dtype(spec.dtype).itemsize
    needs = {}
    for node in chain.walk():
        if getattr(node.layer, "chain", None) is not None:
            continue  # counted by the layers inside
        declared = flatten(node.layer.parameters(node.input_shape))
        weights = sum(math.prod(shape) for shape, _ in declared.values())
        values = batch * math.prod(node.output_shape)
        needs[node.layer] = size * (_COPIES * weights + 2 * values)
    available = physical_memory()
    if sum(needs.values()) <= available:
        return
    worst = max(needs, key=lambda layer: needs[layer])
    raise _placed(
        spec,
        worst.place,
        f"training this network needs {format_bytes(sum(needs.values()))} of memory, this machine "
        f"has {format_bytes(available)}; {worst.path} alone needs {format_bytes(needs[worst])} for "
        f"parameters, gradients, optimizer state and activations, at {worst.place}",
    )
