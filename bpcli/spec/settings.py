"""Changes from the command line, ``--set PATH=VALUE``, made on the nodes before they are read.

A path goes down the normal form, in which each layer, init, optimizer, schedule and loss is one
name with a mapping of options. So a change passes the same checks as the file does.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, replace
from typing import Any

from bpcli.errors import Problem
from bpcli.spec import nodes, options
from bpcli.spec.model import Spec
from bpcli.spec.nodes import (
    Mark,
    Node,
    Scalar,
    Sequence,
    describe,
    from_plain,
    is_null,
    shortened,
    shown,
)
from bpcli.spec.options import Kind, options_of
from bpcli.spec.read import Families, join, named, options_node, unknown
from bpcli.spec.yaml import read_yaml


@dataclass(frozen=True)
class Setting:
    """One change: where to, what, and how it was asked for."""

    path: str
    value: Node
    mark: Mark


def parse_setting(written: str, option: str = "--set") -> tuple[Setting | None, list[Problem]]:
    """``PATH=VALUE``, the value in YAML; None and the problems if it is not that.

    ``option`` of the command line is where problems are told to be.
    """
    mark = Mark(f"{option} {shortened(written)}")
    path, equals, text = written.partition("=")
    if not equals or not path.strip():
        return None, [mark.problem("must be PATH=VALUE, like training.epochs=5")]
    value, problems = read_yaml(text, mark.file)
    if problems:
        return None, [mark.problem(problem.message) for problem in problems]
    return Setting(path.strip(), _placed(value, mark), mark), []


def seed_setting(seed: int) -> Setting:
    mark = Mark(f"--seed {seed}")
    return Setting("seed", from_plain(seed, mark), mark)


def _placed(node: Node, mark: Mark) -> Node:
    """The node with all its marks at the setting: lines and columns in it mean nothing."""
    match node:
        case Sequence():
            return Sequence(tuple(_placed(item, mark) for item in node.items), mark, mark)
        case nodes.Mapping():
            pairs = ((replace(key, start=mark, end=mark), _placed(value, mark))
                     for key, value in node.entries)  # fmt: skip
            return nodes.Mapping(tuple(pairs), mark, mark)
    return replace(node, start=mark, end=mark)


def change(root: Node, setting: Setting, families: Families) -> tuple[Node, list[Problem]]:
    """The nodes with the setting made; or as they were, and why it could not be."""
    try:
        changed = _Change(setting, families).made(
            root, options.Record(Spec), MISSING, setting.path.split("."), ""
        )
    except _Impossible as reason:
        return root, [setting.mark.problem(str(reason))]
    return changed, []


class _Impossible(Exception):  # noqa: N818  not an error of ours: it ends as a Problem
    """The path leads nowhere; says why."""


def _no_such(node: Node | None, steps: list[str], at: str) -> _Impossible:
    received = f"{at} is {describe(node)}" if node else f"{at} is not given"
    return _Impossible(f"{received}, so there is no {join(at, steps[0])}")


class _Change:
    """Goes down the path; each method gives the changed node for the one it is given.

    A node is None where the file leaves its option out, so that it has its default.
    """

    def __init__(self, setting: Setting, families: Families) -> None:
        self.value, self.mark, self.families = setting.value, setting.mark, families

    def made(self, node: Node | None, kind: Kind, default: Any, steps: list[str], at: str) -> Node:
        if not steps:
            return self.value
        match kind:
            case options.Record():
                return self._in_record(node, kind.model, steps, at)
            case options.Choice():
                return self._in_choice(node, kind, default, steps, at)
            case options.Layers():
                return self._in_list(node, options.Choice("layer"), steps, at)
            case options.Items():
                return self._in_list(node, kind.kind, steps, at)
            case options.Numbers():
                return self._in_list(node, kind, steps, at)
            case options.Mapping():
                mapping = self._as_mapping(node, steps, at)
                return self._in_mapping(mapping, kind.kind, MISSING, steps, at)
            case options.Either():
                return self.made(node, _inner(kind, node), default, steps, at)
        raise _Impossible(f"{at} has nothing inside, so there is no {join(at, steps[0])}")

    def _as_mapping(self, node: Node | None, steps: list[str], at: str) -> nodes.Mapping:
        if node is None or is_null(node):
            return nodes.Mapping((), self.mark, self.mark)
        if isinstance(node, nodes.Mapping):
            return node
        raise _no_such(node, steps, at)

    def _in_record(self, node: Node | None, model: type, steps: list[str], at: str) -> Node:
        known = {option.key: option for option in options_of(model)}
        if steps[0] not in known:
            raise _Impossible(unknown("option", steps[0], known, at))
        option = known[steps[0]]
        mapping = self._as_mapping(node, steps, at)
        return self._in_mapping(mapping, option.kind, option.default, steps, at)

    def _in_mapping(
        self, mapping: nodes.Mapping, kind: Kind, default: Any, steps: list[str], at: str
    ) -> Node:
        """The mapping with one entry changed, or a new one at its end."""
        key, *rest = steps
        entry = mapping.find(key)
        made = self.made(entry[1] if entry else None, kind, default, rest, join(at, key))
        if entry is None:
            new = (Scalar(key, key, self.mark, self.mark), made)
            return replace(mapping, entries=(*mapping.entries, new))
        entries = tuple((name, made if name.text == key else old) for name, old in mapping.entries)
        return replace(mapping, entries=entries)

    def _in_choice(
        self, node: Node | None, kind: options.Choice, default: Any, steps: list[str], at: str
    ) -> Node:
        name, value = self._chosen(node, default, steps, at)
        if steps[0] != name.text:
            wanted = steps[0]
            if wanted not in self.families[kind.family]:
                raise _Impossible(unknown(kind.family, wanted, self.families[kind.family], at))
            raise _Impossible(f"{at} is {name.text}, not {wanted}; {at}={wanted} would replace it")
        model = self.families[kind.family].get(name.text)
        if model is None:
            raise _Impossible(unknown(kind.family, name.text, self.families[kind.family], at))
        return nodes.Mapping(
            ((name, self._in_options(model, name, value, steps[1:], join(at, name.text))),),
            node.start if node else self.mark,
            node.end if node else self.mark,
        )

    def _chosen(
        self, node: Node | None, default: Any, steps: list[str], at: str
    ) -> tuple[Scalar, Node | None]:
        if node is None or is_null(node):
            name = getattr(default, "name", None)
            if name is None:
                raise _Impossible(f"{at} is not given; set it whole, like {at}={{{steps[0]}: ...}}")
            return Scalar(name, name, self.mark, self.mark), None
        found = named(node)
        if found is None:
            raise _no_such(node, steps, at)
        return found

    def _in_options(
        self, model: type, name: Scalar, value: Node | None, steps: list[str], at: str
    ) -> Node:
        """The options of a named thing, all or one of them changed."""
        if not steps and (isinstance(self.value, nodes.Mapping) or is_null(self.value)):
            return self.value
        main = options.main_option(model)
        if not steps:
            if main is None:
                raise _Impossible(f"{name.text} takes no value, received {describe(self.value)}")
            steps = [main.key]
        given = options_node(model, value, name)
        if given is None:
            raise _no_such(value, steps, at)
        return self._in_record(given, model, steps, at)

    def _in_list(self, node: Node | None, kind: Kind, steps: list[str], at: str) -> Node:
        if node is None:
            node = Sequence((), self.mark, self.mark)
        if not isinstance(node, Sequence):
            raise _no_such(node, steps, at)
        items = node.items
        index, *rest = steps
        if not (index.isascii() and index.isdecimal() and len(index) < 10):
            raise _Impossible(
                f"{at} is a list, its items have numbers from 0, received {shown(index)}"
            )
        number = int(index)
        if number >= len(items):
            many = f"{len(items)} items, from 0 to {len(items) - 1}" if items else "no items"
            raise _Impossible(f"there is no {join(at, index)}; {at} has {many}")
        made = self.made(items[number], kind, MISSING, rest, join(at, number))
        return Sequence((*items[:number], made, *items[number + 1 :]), node.start, node.end)


def _inner(kind: options.Either, node: Node | None) -> Kind:
    """The kind that has something inside: a list's for a list, that of named things else."""
    lists = isinstance(node, Sequence)
    inner = (options.Items, options.Layers, options.Numbers) if lists else (options.Choice,)
    return next((one for one in kind.kinds if isinstance(one, inner)), kind.kinds[0])
