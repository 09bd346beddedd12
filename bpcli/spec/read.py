"""From nodes, or plain Python values, to the model; finds every problem on the way.

The reader goes down the nodes and the kinds of :mod:`bpcli.spec.options` side by side. Where
something is wrong it notes a problem, returns :data:`UNREAD` and goes on with the next thing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Final, NoReturn

from bpcli.errors import Problem, SpecError
from bpcli.spec import nodes, options
from bpcli.spec.checks import violations
from bpcli.spec.model import FAMILIES, Place, Source, Spec
from bpcli.spec.nodes import Broken, Mark, Node, Scalar, Sequence, describe, is_null, plain, shown
from bpcli.spec.options import Kind, Mismatch, main_option, options_of
from bpcli.spec.suggestions import did_you_mean, nearest

UNREAD: Final = object()  # what stood there has been reported
MOST_PROBLEMS = 100

_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # YAML 1.1's

Families = Mapping[str, Mapping[str, Any]]


def read_spec(
    root: Node,
    problems: Iterable[Problem] = (),
    *,
    file: str,
    folder: Path,
    name: str,
    layers: Mapping[str, type] | None = None,
    reader: Reader | None = None,
) -> Spec:
    """The spec that the nodes say, or a SpecError with these problems and all others.

    ``reader`` is one of these layers unless given.
    """
    reader, problems = reader or Reader(families_with(layers)), list(problems)
    with suppress(_Enough):
        spec = reader.read(root, options.Record(Spec), "")
    if problems or reader.problems:
        fail([*problems, *reader.problems])
    source = Source(file, folder, reader.places)
    named: Spec = dataclasses.replace(spec, name=spec.name or name, source=source)
    return named


def read_value(kind: Kind | str, value: Any) -> Any:
    """A plain value (``{"constant": 1.0}``, ``"he_normal"``) as the kind or family reads it.

    What is of the model already stays as it is. Raises SpecError.
    """
    family = kind if isinstance(kind, str) else ""
    if family and isinstance(value, tuple(FAMILIES[family].values())):
        return value
    reader = Reader(FAMILIES)
    wanted = options.Choice(kind) if isinstance(kind, str) else kind
    result = reader.read(nodes.from_plain(value), wanted, family or "value")
    if reader.problems:
        raise SpecError(reader.problems)
    return result


def families_with(layers: Mapping[str, type] | None) -> Families:
    """The families with a user's layers among the layers."""
    return {**FAMILIES, "layer": {**FAMILIES["layer"], **(layers or {})}}


def named(node: Node) -> tuple[Scalar, Node | None] | None:
    """The name and the options of ``relu``, ``dense: 64`` or ``dense: {units: 64}``."""
    match node:
        case Scalar(value=str()):
            return node, None
        case nodes.Mapping(entries=(only,)):
            return only
    return None


def options_node(model: type, value: Node | None, name: Scalar) -> nodes.Mapping | None:
    """The options after a name in normal form; None if the value has no option to go to."""
    if isinstance(value, nodes.Mapping):
        return value
    if value is None or is_null(value):
        return nodes.Mapping((), name.start, name.end)
    main = main_option(model)
    if main is None:
        return None
    key = Scalar(main.key, main.key, value.start, value.start)
    return nodes.Mapping(((key, value),), value.start, value.end)


class _Enough(Exception):  # noqa: N818  not an error of ours: reading ends with its problems
    pass


class Reader:
    """Reads nodes by kinds; collects problems, and the place of every path in normal form."""

    def __init__(self, families: Families) -> None:
        self.families = families
        self.problems: list[Problem] = []
        self.places: dict[str, Place] = {}

    def read(self, node: Node, kind: Kind, path: str, default: Any = MISSING) -> Any:
        """What the node says, by its kind; UNREAD if it says nothing of the kind."""
        self._remember(path, node.start)
        if isinstance(node, Broken):
            return UNREAD
        if is_null(node) and default is None:
            return None
        match kind:
            case options.Record():
                return self._section(node, kind, path)
            case options.Choice():
                return self._choice(node, kind, path)
            case options.Layers():
                return self._items(node, options.Items(options.Choice("layer")), path, kind)
            case options.Items():
                return self._items(node, kind, path, kind)
            case options.Mapping():
                return self._mapping(node, kind, path)
            case options.Numbers():
                return self._numbers(node, kind, path)
            case options.Either():
                return self._either(node, kind, path)
        return self._leaf(node, kind, path)

    def _remember(self, path: str, mark: Mark) -> None:
        if mark.line:
            self.places.setdefault(path, Place(mark.line, mark.column))

    def _report(self, mark: Mark, message: str) -> Any:
        self.problems.append(mark.problem(message))
        if len(self.problems) > MOST_PROBLEMS:
            raise _Enough
        return UNREAD

    def _mismatch(self, node: Node, path: str, expected: str, hint: str = "") -> Any:
        subject = _subject(path)
        place = "" if subject == path else _at(path)
        message = f"{subject} must be {expected}, received {describe(node)}{place}{hint}"
        return self._report(node.start, message)

    def _leaf(self, node: Node, kind: Kind, path: str) -> Any:
        try:
            return kind.accept(plain(node))
        except Mismatch as mismatch:
            return self._mismatch(node, path, str(mismatch), _hint(node, kind))

    def _section(self, node: Node, kind: options.Record, path: str) -> Any:
        if is_null(node):
            node = nodes.Mapping((), node.start, node.end)
        if not isinstance(node, nodes.Mapping):
            return self._mismatch(node, path, kind.expected)
        return self._record(node, kind.model, path)

    def _choice(self, node: Node, kind: options.Choice, path: str) -> Any:
        found = named(node)
        if found is None:
            return self._nameless(node, kind, path)
        name, value = found
        known = self.families[kind.family]
        if name.text not in known:
            return self._report(name.start, unknown(kind.family, name.text, known, path))
        if isinstance(value, Broken):
            return UNREAD
        model, inner = known[name.text], join(path, name.text)
        given = options_node(model, value, name)
        if given is None:
            assert value is not None
            message = f"{name.text} takes no value, received {describe(value)}"
            return self._report(value.start, message + _at(inner))
        self._remember(inner, name.start)
        return self._record(given, model, inner)

    def _nameless(self, node: Node, kind: options.Choice, path: str) -> Any:
        if not isinstance(node, nodes.Mapping) or not node.entries:
            return self._mismatch(node, path, kind.expected)
        keys = ", ".join(shown(key.text) for key, _ in node.entries)
        return self._report(
            node.start,
            f"{path} must be one {kind.family}, received {keys}; options go below the name, "
            "indented further, or in { }",
        )

    def _record(self, node: nodes.Mapping, model: type, path: str) -> Any:
        """An instance of the model class from a mapping with its options."""
        values, meant = self._given(node, model, path)
        absent = [option for option in options_of(model) if option.field not in values]
        for option in absent:
            if option.key in meant:
                values[option.field] = UNREAD
            elif option.required:
                values[option.field] = self._report(
                    node.start, f"{option.key} is missing{_at(path)}"
                )
            else:
                values[option.field] = option.default
        readable = {field: value for field, value in values.items() if value is not UNREAD}
        broken = len(readable) < len(values) or bool(meant)
        for key, message in violations(model, readable):
            broken = True
            self._report(_inside(node, key).start, message + _at(join(path, key)))
        return UNREAD if broken else self._make(model, values, node, path)

    def _given(
        self, node: nodes.Mapping, model: type, path: str
    ) -> tuple[dict[str, Any], set[str]]:
        """Values by field, and the names that were meant by those that do not exist."""
        known = {option.key: option for option in options_of(model)}
        values, meant = {}, set()
        for key, value in node.entries:
            option = known.get(key.text)
            if option is None:
                self._report(key.start, unknown("option", key.text, known, path))
                meant.add(nearest(key.text, known) or "")
            else:
                values[option.field] = self.read(
                    value, option.kind, join(path, option.key), option.default
                )
        return values, meant

    def _make(self, model: type, values: dict[str, Any], node: Node, path: str) -> Any:
        try:
            return model(**values)
        except (TypeError, ValueError) as error:  # from the constructor of a user's layer
            return self._report(node.start, f"{error}{_at(path)}")

    def _items(self, node: Node, kind: options.Items, path: str, said: Kind) -> Any:
        if not isinstance(node, Sequence) or not kind.allows(len(node.items)):
            return self._mismatch(node, path, said.expected)
        items = tuple(
            self.read(item, kind.kind, join(path, index)) for index, item in enumerate(node.items)
        )
        return UNREAD if any(item is UNREAD for item in items) else items

    def _mapping(self, node: Node, kind: options.Mapping, path: str) -> Any:
        if not isinstance(node, nodes.Mapping):
            return self._mismatch(node, path, kind.expected)
        pairs = tuple(
            (key.text, self.read(value, kind.kind, join(path, key.text)))
            for key, value in node.entries
        )
        return UNREAD if any(value is UNREAD for _, value in pairs) else pairs

    def _numbers(self, node: Node, kind: options.Numbers, path: str) -> Any:
        """Points at what is not a number; what remains is a matter of the lists' lengths."""
        found = list(_scalars(node, path))
        wrong = [self._leaf(item, options.Number(), at) for item, at in found]
        return UNREAD if UNREAD in wrong else self._leaf(node, kind, path)

    def _either(self, node: Node, kind: options.Either, path: str) -> Any:
        """The kind that the node's form speaks for, so that its mistakes keep their places."""
        for alternative in kind.kinds:
            if self._speaks_for(node, alternative):
                return self.read(node, alternative, path)
            if isinstance(node, Scalar):
                try:
                    return alternative.accept(node.value)
                except (Mismatch, NotImplementedError):
                    continue
        return self._mismatch(node, path, kind.expected, _hint(node, kind))

    def _speaks_for(self, node: Node, kind: Kind) -> bool:
        match node, kind:
            case (nodes.Mapping(), options.Choice() | options.Record() | options.Mapping()):
                return True
            case (Sequence(), options.Items() | options.Layers() | options.Numbers()):
                return True
            case (Scalar(value=str() as text), options.Choice()):
                return nearest(text, self.families[kind.family]) is not None
        return False


def fail(problems: Iterable[Problem]) -> NoReturn:
    """Raises a SpecError with the first problems of a file."""
    ordered = SpecError(list(problems)).problems
    if len(ordered) > MOST_PROBLEMS:
        rest = "more problems follow; mend these first"
        ordered[MOST_PROBLEMS:] = [dataclasses.replace(ordered[MOST_PROBLEMS], message=rest)]
    raise SpecError(ordered)


def join(path: str, step: str | int) -> str:
    return ".".join(part for part in (path, str(step)) if part)


def unknown(what: str, written: str, known: Iterable[str], path: str) -> str:
    """The message on a name that does not exist, with the one that was meant or all there are."""
    known = list(known)
    hint = did_you_mean(written, known)
    if not hint and ":" in written:
        hint = "; a ':' needs a space after it"
    if not hint:
        hint = f"; there are {', '.join(known)}" if known else "; there are none"
    place = f" at {path}" if path else ""
    return f"unknown {what} {shown(written)}{place}{hint}"


def _at(path: str) -> str:
    return f", at {path}" if path else ""


def _subject(path: str) -> str:
    """The last name of the path and the indices after it."""
    name, _, index = path.rpartition(".")
    if index.isdecimal() and name:
        return f"{_subject(name)}.{index}"
    return index or "a spec"


def _inside(node: Node, path: str) -> Node:
    """What stands at the path in nested mappings, or the nearest thing around it."""
    for step in path.split("."):
        entry = node.find(step) if isinstance(node, nodes.Mapping) else None
        if entry is None:
            break
        node = entry[1]
    return node


def _hint(node: Node, kind: Kind) -> str:
    value = plain(node)
    if isinstance(value, str):
        kinds = kind.kinds if isinstance(kind, options.Either) else (kind,)
        words = [word for kind in kinds if isinstance(kind, options.Word) for word in kind.words]
        if options.Boolean() in kinds and value.lower() in _BOOLEANS:
            return f"; did you mean {_BOOLEANS[value.lower()]}?"
        return did_you_mean(value, words)
    if isinstance(kind, options.Text | options.Name) and isinstance(node, Scalar) and node.text:
        return "; quotes make it a text"
    return ""


def _scalars(node: Node, path: str) -> Iterator[tuple[Node, str]]:
    """What is in nested lists, with the path of each."""
    if isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _scalars(item, join(path, index))
    else:
        yield node, path
