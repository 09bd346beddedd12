"""YAML text to nodes: what a spec may use of YAML, with limits on all that could grow.

Scalars are read by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema):
`1e-3` is a number, `no` is a text. Nothing is ever constructed by a tag, and there is nothing
that could expand: anchors, aliases and merge keys are problems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from bpcli.errors import Problem
from bpcli.spec.nodes import Broken, Mapping, Mark, Node, Scalar, Sequence, shown

LARGEST_SIZE = 1 << 20  # characters
LARGEST_DEPTH = 64
LARGEST_COUNT = 100_000  # nodes
LONGEST_NUMBER = 100  # characters

# libyaml is five times faster where it is there; what both parsers read, they read alike
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile("[^\t\n\r -~\x80-\ud7ff\ue000-\U0010ffff]")  # what an escape may not say
_NULL = re.compile("null|Null|NULL|~|")
_BOOLEAN = re.compile("(true|True|TRUE)|false|False|FALSE")
_INTEGER = re.compile("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DIGITS = re.compile("[0-9]{1,18}")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# what the parsers say (libyaml first) and what it means
_INDENTED_WRONG = "the indentation does not fit the lines above, or a ':' is missing"
_SYNTAX = (
    ("tab character", "YAML is indented with spaces, this is a tab"),
    ("cannot start any token", "a text that starts with this character needs quotes"),
    ("mapping values are not allowed", "a ': ' does not fit here; a text with it needs quotes"),
    ("found unexpected ':'", "a ':' must be followed by a space"),
    ("did not find expected key", _INDENTED_WRONG),
    ("expected <block end>", _INDENTED_WRONG),
    ("expected '-' indicator", "the indentation does not fit the list, or a '- ' is missing"),
    ("could not find expected ':'", "a key must be followed by ': '"),
    ("expected ',' or ']'", "a list in [ ] lacks a ',' or its ']'"),
    ("expected ',' or '}'", "a mapping in { } lacks a ',' or its '}'"),
    ("unexpected end of stream", "a quote is not closed"),
    ("maximum nesting depth", f"nested deeper than {LARGEST_DEPTH} levels"),
)


class _Stop(Exception):  # noqa: N818  not an error of ours: reading ends with a Problem
    pass


def read_yaml(text: str, file: str) -> tuple[Node, list[Problem]]:
    """The text's one document and all that is wrong with its form; Broken if it has no form."""
    if _DIGITS.fullmatch(text):  # a sweep reads thousands
        end = Mark(file, 1, 1 + len(text), len(text))
        return Scalar(int(text), text, Mark(file, 1, 1), end), []
    builder = _Builder(file)
    try:
        _check_text(text, file)
        for event in yaml.parse(text, Loader=LOADER):
            builder.take(event)
    except _Stop as stop:
        return Broken(), [*builder.problems, stop.args[0]]
    except yaml.MarkedYAMLError as error:
        return Broken(), [*builder.problems, _syntax_problem(error, text, file)]
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # escapes and directives
        return Broken(), [*builder.problems, Problem(f"not valid YAML: {error}", file)]
    return builder.root, builder.problems


def _check_text(text: str, file: str) -> None:
    if len(text) > LARGEST_SIZE:
        raise _Stop(Problem(f"a spec holds at most {LARGEST_SIZE:,} characters", file))
    wrong = _FORBIDDEN.search(text)
    if wrong:
        before = text[: wrong.start()]
        mark = Mark(file, before.count("\n") + 1, wrong.start() - before.rfind("\n"))
        character = f"U+{ord(wrong.group()):04X}"
        raise _Stop(mark.problem(f"the character {character} may not stand in YAML; is it text?"))


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    said = error.problem or error.context or str(error)
    mark = error.problem_mark or error.context_mark
    if mark is None:  # pragma: no cover - neither parser leaves it out, but their types may
        return Problem(f"not valid YAML: {said}", file)
    if text[mark.index : mark.index + 1] == "\t":
        said = "tab character"
    meaning = next((meaning for words, meaning in _SYNTAX if words in said), said)
    begun = error.context_mark.line if error.context_mark else mark.line
    since = f" (begun in line {begun + 1})" if begun != mark.line and "\n" in text else ""
    return _mark(mark, file).problem(f"not valid YAML: {meaning}{since}")


def _mark(mark: Any, file: str) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1, mark.index)


@dataclass
class _Open:
    """A list or mapping whose end has not come; of a mapping, keys and values take turns."""

    start: Mark
    items: list[Node] = field(default_factory=list)


class _Builder:
    """Takes a parser's events one by one; without recursion, so depth costs nothing."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node = Scalar(None, "", Mark(file, 1, 1), Mark(file, 1, 1))  # an empty file
        self._open: list[_Open] = []
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        start = _mark(event.start_mark, self.file)
        match event:
            case yaml.DocumentStartEvent():
                self._begin_document(start)
            case yaml.AliasEvent():
                self._report(start, f"aliases (*{event.anchor}) are not part of specs")
                self._add(Broken(start, _mark(event.end_mark, self.file)))
            case yaml.ScalarEvent():
                self._check_node(event, start)
                self._add(self._scalar(event, start))
            case yaml.CollectionStartEvent():
                self._check_node(event, start)
                self._open.append(_Open(start))
                if len(self._open) > LARGEST_DEPTH:
                    raise _Stop(start.problem(f"nested deeper than {LARGEST_DEPTH} levels"))
            case yaml.SequenceEndEvent():
                opened = self._open.pop()
                end = _mark(event.end_mark, self.file)
                self._add(Sequence(tuple(opened.items), opened.start, end))
            case yaml.MappingEndEvent():
                opened = self._open.pop()
                end = _mark(event.end_mark, self.file)
                self._add(Mapping(self._entries(opened.items), opened.start, end))

    def _report(self, mark: Mark, message: str) -> None:
        self.problems.append(mark.problem(message))

    def _begin_document(self, start: Mark) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Stop(start.problem("a spec is one YAML document, a second one begins here"))

    def _check_node(self, event: Any, start: Mark) -> None:
        if event.anchor is not None:
            self._report(start, f"anchors (&{event.anchor}) are not part of specs")
        if event.tag is not None:
            self._report(start, f"tags ({event.tag}) are not part of specs")

    def _add(self, node: Node) -> None:
        self._count += 1
        if self._count > LARGEST_COUNT:
            raise _Stop(node.start.problem(f"a spec holds at most {LARGEST_COUNT:,} values"))
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node

    def _scalar(self, event: Any, start: Mark) -> Node:
        end = _mark(event.end_mark, self.file)
        text = event.value
        if _CONTROL.search(text):
            self._report(start, f"a text may not hold control characters, received {shown(text)}")
            return Broken(start, end)
        if event.tag is not None:
            return Broken(start, end)
        if event.style in ("'", '"', "|", ">"):
            return Scalar(text, text, start, end)
        if len(text) > LONGEST_NUMBER and (_INTEGER.fullmatch(text) or _FLOAT.fullmatch(text)):
            self._report(
                start, f"a number of {len(text):,} characters, {LONGEST_NUMBER} are enough"
            )
            return Broken(start, end)
        return Scalar(resolve(text), text, start, end)

    def _entries(self, items: list[Node]) -> tuple[tuple[Scalar, Node], ...]:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in _pairs(items):
            if not isinstance(key, Scalar):
                if not isinstance(key, Broken):
                    self._report(key.start, "a key must be a name, received a list or mapping")
            elif key.text == "<<":
                self._report(key.start, "merge keys (<<) are not part of specs")
            elif key.text in entries:
                line = entries[key.text][0].start.line
                self._report(key.start, f"the key {shown(key.text)} stands in line {line} already")
            else:
                entries[key.text] = (key, value)
        return tuple(entries.values())


def _pairs(items: list[Node]) -> Iterator[tuple[Node, Node]]:
    return zip(items[::2], items[1::2], strict=True)


def resolve(text: str) -> bool | int | float | str | None:
    """A plain scalar's value by the core schema of YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    boolean = _BOOLEAN.fullmatch(text)
    if boolean:
        return boolean[1] is not None
    if _INTEGER.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text
