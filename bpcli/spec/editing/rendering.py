"""New parts of a spec as text."""

from __future__ import annotations

from bpcli.spec.dump import flow
from bpcli.spec.editing.layout import Layout
from bpcli.spec.nodes import Mapping, Node, Scalar, Sequence


def on_one_line(layout: Layout, node: Node) -> str:
    """`{units: 64, init: he_normal}`; numbers that the text has already stay as written."""
    match node:
        case Mapping():
            return f"{{{', '.join(_pair(layout, *entry) for entry in node.entries)}}}"
        case Sequence():
            return f"[{', '.join(on_one_line(layout, item) for item in node.items)}]"
        case Scalar(value=str() | None):
            return flow(node.value)
        case Scalar() if node.start.line:
            return layout.text[node.start.offset : node.end.offset]
        case Scalar():
            return flow(node.value)
    raise AssertionError("what is broken is not written")


def as_item(layout: Layout, node: Node) -> str:
    """After the '-' of a block sequence, where a single pair needs no braces."""
    if isinstance(node, Mapping) and len(node.entries) == 1:
        return _pair(layout, *node.entries[0])
    return on_one_line(layout, node)


def as_entry(layout: Layout, key: Scalar, value: Node, *, step: int = 0) -> list[str]:
    """The lines of a block mapping's entry; of a mapping each option on its own, if there is a
    step to indent them by."""
    if step and isinstance(value, Mapping) and value.entries:
        inner = (" " * step + _pair(layout, *entry) for entry in value.entries)
        return [f"{flow(key.text)}:", *inner]
    return [_pair(layout, key, value)]


def _pair(layout: Layout, key: Scalar, value: Node) -> str:
    return f"{flow(key.text)}: {on_one_line(layout, value)}"
