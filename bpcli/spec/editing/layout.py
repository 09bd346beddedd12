"""What the nodes of a spec do not tell of its text: comments, lines, and where content ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from bpcli.spec.nodes import Broken, Mapping, Node, Scalar, Sequence

BREAKS = "\n\r\x85\u2028\u2029"  # what YAML 1.1 ends a line with, and both parsers do
_BREAK = re.compile(f"\r\n|[{BREAKS}]")
_COMMENT = re.compile(f"#[^{BREAKS}]*")


class Layout:
    """A text and the nodes that were read from it; all places are offsets into the text.

    ``bare`` is the text with every comment blanked out, so that what stands between two nodes can
    be searched for the '-', ':' and ',' that belong to them.
    """

    def __init__(self, text: str, root: Node) -> None:
        self.text, self.root = text, root
        self.comments = list(self._find_comments())
        self.bare = text
        for start, stop in self.comments:
            self.bare = self.bare[:start] + " " * (stop - start) + self.bare[stop:]
        found = _BREAK.search(text)
        self.newline = found.group() if found else "\n"

    def _find_comments(self) -> Iterator[tuple[int, int]]:
        """A '#' outside of all scalars begins one."""
        at = 0
        for scalar in _scalars(self.root):
            yield from self._comments_between(at, scalar.start.offset)
            at = scalar.end.offset
            if self._is_block_scalar(scalar):  # may have one after its '|'
                start = scalar.start.offset
                yield from self._comments_between(start, self.line_end(start))
        yield from self._comments_between(at, len(self.text))

    def _comments_between(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        return (found.span() for found in _COMMENT.finditer(self.text, start, stop))

    def comments_in(self, start: int, stop: int) -> list[str]:
        return [self.text[a:b].rstrip() for a, b in self.comments if start <= a and b <= stop]

    # -- lines

    def line_start(self, offset: int) -> int:
        return max(self.text.rfind(character, 0, offset) for character in BREAKS) + 1

    def line_end(self, offset: int) -> int:
        """Before the line break."""
        found = _BREAK.search(self.text, offset)
        return found.start() if found else len(self.text)

    def next_line(self, offset: int) -> int:
        """After the line break."""
        found = _BREAK.search(self.text, offset)
        return found.end() if found else len(self.text)

    def opens_line(self, offset: int) -> bool:
        """Whether only spaces stand before it."""
        return not self.text[self.line_start(offset) : offset].strip(" ")

    def closes_line(self, offset: int) -> bool:
        """Whether only spaces and perhaps a comment stand after it."""
        return not self.bare[offset : self.line_end(offset)].strip(" \t")

    def indent(self, offset: int) -> str:
        """The spaces that its line begins with."""
        start = self.line_start(offset)
        line = self.text[start : self.line_end(start)]
        return line[: len(line) - len(line.lstrip(" "))]

    def column(self, offset: int) -> int:
        return offset - self.line_start(offset)

    # -- nodes

    def is_block(self, node: Node) -> bool:
        """Whether it is written by indentation, without brackets.

        The single pair of `[dense: 64]` has no brackets of its own either; those who go down the
        nodes know that they are inside some.
        """
        if isinstance(node, Scalar):
            return self._is_block_scalar(node)
        return self.text[node.start.offset : node.start.offset + 1] not in ("[", "{")

    def _is_block_scalar(self, scalar: Scalar) -> bool:
        first = self.text[scalar.start.offset : scalar.start.offset + 1]
        return first in ("|", ">") and scalar.end.offset > scalar.start.offset

    def end(self, node: Node) -> int:
        """Where its content ends; the end mark of a block is only where the next token begins."""
        match node:
            case Mapping(entries=(*_, (_, value))) if self.is_block(node):
                return self.end(value)
            case Sequence(items=(*_, item)) if self.is_block(node):
                return self.end(item)
        return node.end.offset

    def dash(self, sequence: Sequence, index: int) -> int:
        """The '-' of a block sequence's item."""
        if index == 0:
            return sequence.start.offset
        before = self.end(sequence.items[index - 1])
        return self.bare.rindex("-", before, sequence.items[index].start.offset)

    def colon(self, key: Scalar) -> int:
        """After the ':' of a block mapping's key."""
        return self.bare.index(":", key.end.offset) + 1


def _scalars(node: Node) -> Iterator[Scalar]:
    """All keys and values, in the order of the text."""
    assert not isinstance(node, Broken)
    if isinstance(node, Scalar):
        yield node
        return
    inside = node.items if isinstance(node, Sequence) else chain.from_iterable(node.entries)
    for each in inside:
        yield from _scalars(each)
