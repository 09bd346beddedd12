"""What `show` says: the layers of a network, their shapes, their cost, and the memory they take."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bpcli.data import Description
from bpcli.memory import format_bytes
from bpcli.network import Chain, Node
from bpcli.network.cost import activation_count, multiply_adds, own_parameters
from bpcli.optimization import make_optimizer
from bpcli.report.document import Column, Document, Fields, Span, Table
from bpcli.report.headline import headline
from bpcli.report.text import count, plural, shape
from bpcli.spec.model import Spec


def network_report(spec: Spec, chain: Chain, description: Description) -> Document:
    layers = [_layer(node) for node in chain.walk()]
    parameters = sum(layer["parameters"] for layer in layers)
    batch = min(spec.training.batch_size, description.examples or spec.training.batch_size)
    data = {
        "name": spec.name,
        "dtype": spec.dtype,
        "loss": spec.loss.name,
        "optimizer": spec.optimizer.name,
        "input_shape": list(chain.input_shape),
        "output_shape": list(chain.output_shape),
        "classes": description.classes and list(description.classes),
        "examples": description.examples,
        "parameters": parameters,
        "multiply_adds": sum(layer["multiply_adds"] for layer in layers),
        "memory": _memory(spec, chain, parameters, batch),
        "layers": layers,
    }
    blocks = (headline(spec, chain, description), _table(chain, data), _fields(spec, data, batch))
    return Document(blocks, data)


def _layer(node: Node) -> dict[str, Any]:
    arrays = own_parameters(node)
    return {
        "name": node.layer.path,
        "type": node.layer.name,
        "input_shape": list(node.input_shape),
        "output_shape": list(node.output_shape),
        "parameters": sum(map(math.prod, arrays.values())),
        "multiply_adds": multiply_adds(node),
        "arrays": {name: list(sizes) for name, sizes in arrays.items()},
    }


def _memory(spec: Spec, chain: Chain, parameters: int, batch: int) -> dict[str, int]:
    """Bytes that training holds, by what for; the data and the libraries come on top."""
    number = np.dtype(spec.dtype).itemsize
    moments = len(make_optimizer(spec.optimizer, 1, spec.dtype).state)
    activations = activation_count(chain) * batch * number
    parts = {
        "parameters": parameters * number,
        "gradients": parameters * number,
        "optimizer": moments * parameters * number,
        "activations": activations,
        "activation_gradients": activations,
    }
    return parts | {"total": sum(parts.values())}


def _table(chain: Chain, data: dict[str, Any]) -> Table:
    columns = (
        Column("layer", "left", shortens=True),
        Column("output"),
        Column("weights"),
        Column("parameters"),
        Column("multiply-adds"),
    )
    rows: list[list[Span | str]] = [["input", shape(chain.input_shape), "", "", ""]]
    rows += [_row(layer) for layer in data["layers"]]
    total = ["total", "", "", f"{data['parameters']:,}", count(data["multiply_adds"])]
    return Table(columns, rows, footer=[total])


def _row(layer: dict[str, Any]) -> list[Span | str]:
    inside = "  " * layer["name"].count(".")
    weights = [shape(tuple(sizes)) for sizes in layer["arrays"].values() if len(sizes) > 1]
    kind = layer["type"]
    name = layer["name"] if kind in layer["name"] else f"{layer['name']} ({kind})"
    return [
        Span(inside + name, "plain" if layer["parameters"] else "muted"),
        shape(tuple(layer["output_shape"])),
        " ".join(dict.fromkeys(weights)),
        f"{layer['parameters']:,}" if layer["parameters"] else "",
        count(layer["multiply_adds"]) if layer["multiply_adds"] else "",
    ]


def _fields(spec: Spec, data: dict[str, Any], batch: int) -> Fields:
    memory = data["memory"]
    activations = memory["activations"] + memory["activation_gradients"]
    # a step multiplies forward once and backward twice
    step = 3 * batch * data["multiply_adds"]
    return Fields(
        (
            ("loss", spec.loss.name),
            ("a step", f"{plural(batch, 'example')}, about {count(step)} multiply-adds"),
            ("memory", f"{format_bytes(memory['total'])} besides the data:"),
            ("", f"  parameters {format_bytes(memory['parameters'])} and their gradients as much,"),
            ("", f"  {spec.optimizer.name} {format_bytes(memory['optimizer'])},"),
            ("", f"  activations and their gradients {format_bytes(activations)}"),
        )
    )
