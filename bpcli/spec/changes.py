"""Changes to a spec, made on its nodes: what a remedy consists of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, NoReturn

from bpcli.errors import SpecError
from bpcli.spec.dump import dump_spec, flow
from bpcli.spec.model import Spec
from bpcli.spec.nodes import Mapping, Mark, Node, Scalar, Sequence, from_plain
from bpcli.spec.read import Families, families_with, read_spec
from bpcli.spec.settings import Setting, change
from bpcli.spec.yaml import read_yaml

Operation = Literal["set", "insert", "remove", "wrap"]


@dataclass(frozen=True)
class Change:
    """One edit of a spec, at a path of its normal form (``network.2.dense.init``).

    ``set``     gives the path that value, as ``--set PATH=VALUE`` does: an option that the spec
                leaves out is added; a layer (``network.3``) is replaced whole
    ``insert``  puts the value into a list, before the item at the path (``network.3``); the index
                one beyond the last item appends
    ``remove``  takes the item or option at the path away; the value is None
    ``wrap``    puts what stands at the path into a new layer that the value names: the layer at
                ``network.3`` becomes ``{value: [layer]}``; the layers ``network.3:6`` (three, the
                end excluded, as in Python), or the whole list at ``network.2.repeat.layers``,
                become one ``{value: [layers]}``; a value like ``{residual: {projection: true}}``
                gives the new layer options besides its ``layers``

    The value is plain data, as YAML would give it. Changes are made in order, so each path is a
    path of the spec as the changes before it left it. Layers inside a `repeat` are addressed where
    they are written, ``network.1.repeat.layers.0``, and changed in all its copies.
    """

    op: Operation
    path: str
    value: Any = None

    def __str__(self) -> str:
        match self.op:
            case "set":
                return f"{self.path}: {flow(self.value)}"
            case "insert":
                return f"insert {flow(self.value)} at {self.path}"
            case "remove":
                return f"remove {self.path}"
        return f"wrap {self.path} in {flow(self.value)}"


class Span(NamedTuple):
    """The items [start, stop) of the list at a path."""

    path: str
    start: int
    stop: int


def make(root: Node, changes: Iterable[Change], families: Families) -> Node:
    """The nodes with the changes made, one after the other; raises SpecError where one cannot be.

    What a change leaves alone stays the same object.
    """
    for each in changes:
        mark = Mark(str(each))
        path, value = _as_setting(root, each, mark)
        root, problems = change(root, Setting(path, value, mark), families) if path else (value, [])
        if problems:
            raise SpecError(problems)
    return root


def changed(
    spec: Spec, changes: Iterable[Change], layers: MappingABC[str, type] | None = None
) -> Spec:
    """The spec with the changes made; raises SpecError where one cannot be, or makes no spec.

    ``layers`` are a user's own by the names that the spec calls them.
    """
    source = spec.source
    root, _ = read_yaml(dump_spec(spec), source.file)
    families = families_with(layers)
    root = make(root, changes, families)
    made = read_spec(root, file=source.file, folder=source.folder, name=spec.name, layers=layers)
    return replace(made, source=source)


def _as_setting(root: Node, change: Change, mark: Mark) -> tuple[str, Node]:
    """Each change is a setting: of the list or mapping around the path to what it will hold."""
    if change.op == "set":
        return change.path, from_plain(change.value, mark)
    if change.op == "remove" and not _last(change.path).isdecimal():
        path = change.path.rpartition(".")[0]
        mapping = find(root, path)
        if not isinstance(mapping, Mapping) or mapping.find(_last(change.path)) is None:
            _refuse(change, "nothing stands there")
        kept = (entry for entry in mapping.entries if entry[0].text != _last(change.path))
        return path, replace(mapping, entries=tuple(kept))
    span = span_of(root, change)
    list_ = find(root, span.path)
    assert isinstance(list_, Sequence)
    before, inside, after = (
        list_.items[: span.start],
        list_.items[span.start : span.stop],
        list_.items[span.stop :],
    )
    match change.op:
        case "insert":
            inside = (from_plain(change.value, mark),)
        case "wrap":
            inside = (_wrapped(change, inside, mark),)
        case _:
            inside = ()
    return span.path, replace(list_, items=(*before, *inside, *after))


def span_of(root: Node, change: Change) -> Span:
    """The items that a change of a list is about; raises SpecError if there are none such."""
    path, last = change.path.rpartition(".")[0], _last(change.path)
    places = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", last, re.ASCII)
    list_ = find(root, path if places else change.path)
    if not isinstance(list_, Sequence):
        _refuse(change, "there is no such list")
    if places is None:
        if change.op != "wrap" or not list_.items:
            _refuse(change, "it names no place in the list")
        return Span(change.path, 0, len(list_.items))
    start = int(places[1])
    stop = int(places[2]) if places[2] else start + (change.op != "insert")
    if not (start <= stop <= len(list_.items)) or (start == stop) != (change.op == "insert"):
        _refuse(change, f"the list has {len(list_.items)} items")
    return Span(path, start, stop)


def outer_layer(change: Change) -> tuple[str, dict[str, Any]]:
    """The name that a wrap gives the new layer, and its options besides `layers`."""
    if isinstance(change.value, str):
        return change.value, {}
    if isinstance(change.value, dict) and len(change.value) == 1:
        ((name, options),) = change.value.items()
        if isinstance(options, dict) and "layers" not in options:
            return str(name), options
    _refuse(change, "a wrap names the outer layer: residual, or {residual: {projection: true}}")


def _wrapped(change: Change, inside: tuple[Node, ...], mark: Mark) -> Mapping:
    name, options = outer_layer(change)
    layers: Node = Sequence(inside, mark, mark)
    given = from_plain(options, mark)
    assert isinstance(given, Mapping)
    given = replace(given, entries=(*given.entries, (_key("layers", mark), layers)))
    return Mapping(((_key(name, mark), given),), mark, mark)


def _key(name: str, mark: Mark) -> Scalar:
    return Scalar(name, name, mark, mark)


def find(root: Node, path: str) -> Node | None:
    """What is written at a path of the normal form; of `dense: 64` the 64 is all its options, and
    its `units` too. None where nothing is."""
    node: Node | None = root
    for step in path.split(".") if path else ():
        match node:
            case Mapping():
                entry = node.find(step)
                node = entry[1] if entry else None
            case Sequence() if step.isdecimal():
                node = node.items[int(step)] if int(step) < len(node.items) else None
            case Scalar(text=text) if text == step:  # a bare name has no options
                node = None
            # else the step names the main option, whose bare value this is
    return node


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _refuse(change: Change, reason: str) -> NoReturn:
    raise SpecError([Mark(str(change)).problem(f"cannot be done: {reason}")])
