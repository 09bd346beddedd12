"""The line that opens a report: which network, how large, on which data."""

from __future__ import annotations

from pathlib import Path

from bpcli.data import Description
from bpcli.network import Chain
from bpcli.network.cost import multiply_adds, parameter_count
from bpcli.report.document import Lines, Span
from bpcli.report.text import plural, shape
from bpcli.spec.model import Spec


def headline(spec: Spec, chain: Chain, description: Description) -> Lines:
    """digits · 3 weighted layers · 6,570 parameters · digits, 1,797 × 64, 10 classes"""
    nodes = list(chain.walk())
    facts = (
        plural(sum(multiply_adds(node) > 0 for node in nodes), "weighted layer"),
        plural(sum(map(parameter_count, nodes)), "parameter"),
        data_facts(spec, description),
    )
    return Lines(((Span(spec.name, "strong"), *(f" · {fact}" for fact in facts)),))


def data_facts(spec: Spec, description: Description) -> str:
    """digits, 1,797 × 64, 10 classes"""
    facts = [data_name(spec)]
    if description.input_shape is not None:
        sizes = shape(description.input_shape)
        examples = description.examples
        facts.append(sizes if examples is None else f"{examples:,} × {sizes}")
    if description.classes:
        facts.append(plural(len(description.classes), "class", "classes"))
    return ", ".join(facts)


def data_name(spec: Spec) -> str:
    """The file or generator that the data come from."""
    data = spec.data
    if data.generate is not None:
        return data.generate.name
    if data.images is not None:  # their files are all called like train-images-idx3-ubyte
        return (spec.source.folder / data.images).resolve().parent.name
    file = data.path or data.inputs
    return Path(file).name.partition(".")[0] if file else "data"
