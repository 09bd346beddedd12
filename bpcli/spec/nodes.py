"""What a spec is before it has a meaning: texts, numbers, lists and mappings with their places."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from bpcli.errors import Problem


class Mark(NamedTuple):
    """A place in a text; line and column count from 1, offset from 0, in characters.

    What a command-line option brought in has that option as its file, and line 0.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    offset: int = 0

    def problem(self, message: str) -> Problem:
        return Problem(message, self.file, self.line, self.column)


NOWHERE = Mark()


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: None, bool, int, float or str; ``text`` is how it is written."""

    value: Any
    text: str
    start: Mark = NOWHERE
    end: Mark = NOWHERE


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    start: Mark = NOWHERE
    end: Mark = NOWHERE


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys are texts, and differ."""

    entries: tuple[tuple[Scalar, Node], ...]
    start: Mark = NOWHERE
    end: Mark = NOWHERE

    def find(self, key: str) -> tuple[Scalar, Node] | None:
        return next((entry for entry in self.entries if entry[0].text == key), None)


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where something was that has been reported already."""

    start: Mark = NOWHERE
    end: Mark = NOWHERE


Node: TypeAlias = Scalar | Sequence | Mapping | Broken


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def plain(node: Node) -> Any:
    """The node as None, bool, int, float, str, list or dict."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key.text: plain(value) for key, value in node.entries}
    return None  # it is broken


def from_plain(value: Any, mark: Mark = NOWHERE) -> Node:
    """A plain value as a node, all of it at the mark; NumPy's numbers and arrays are plain too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, MappingABC):
        entries = ((Scalar(str(key), str(key), mark, mark), from_plain(item, mark))
                   for key, item in value.items())  # fmt: skip
        return Mapping(tuple(entries), mark, mark)
    if isinstance(value, (list, tuple)):
        return Sequence(tuple(from_plain(item, mark) for item in value), mark, mark)
    return Scalar(value, str(value), mark, mark)


def describe(node: Node) -> str:
    """What was received, for a message: the text 'fast', 1.5, nothing, a list, a mapping."""
    match node:
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=str() as text):
            return f"the text {shown(text)}"
        case Scalar(value=float() as number) if number - number != 0:  # inf and nan
            return f"{node.text}, which is not finite"
        case Scalar():
            return shown(node.text).strip("'")
        case Sequence(items=()):
            return "an empty list"
        case Sequence():
            return "a list"
        case Mapping(entries=()):
            return "an empty mapping"
        case Mapping():
            return "a mapping"
    return "something unreadable"


def shown(text: str) -> str:
    """The text in quotes, without control characters and not too long."""
    return repr(shortened(text))


def shortened(text: str) -> str:
    """The text, or its beginning and dots: 60 characters at most."""
    return text if len(text) <= 60 else text[:57] + "..."
