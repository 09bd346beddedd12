"""Lists and mappings in brackets: putting a part in and taking one away."""

from __future__ import annotations

from dataclasses import dataclass

from bpcli.spec.editing.edits import Edits
from bpcli.spec.editing.layout import Layout
from bpcli.spec.nodes import Mapping, Sequence


@dataclass
class Flow:
    """`[a, b]` or `{a: 1, b: 2}`, in one line or several; its parts are spans of the text."""

    layout: Layout
    edits: Edits
    node: Sequence | Mapping

    def __post_init__(self) -> None:
        if isinstance(self.node, Sequence):
            self.parts = [(item.start.offset, item.end.offset) for item in self.node.items]
        else:
            entries = self.node.entries
            self.parts = [(key.start.offset, value.end.offset) for key, value in entries]
        self.close = self.node.end.offset - 1

    def insert(self, index: int, text: str) -> None:
        """Before the part with that index; on a line of its own if that part has one."""
        layout, edits = self.layout, self.edits
        if index < len(self.parts):
            at = self.parts[index][0]
            apart = layout.newline + layout.indent(at) if layout.opens_line(at) else " "
            edits.insert(at, f"{text},{apart}")
        else:
            self._append(text)

    def _append(self, text: str) -> None:
        layout, edits = self.layout, self.edits
        start, stop = self.parts[-1]
        comma = layout.bare.find(",", stop, self.close)
        after = stop if comma < 0 else comma + 1
        if comma < 0:
            edits.insert(stop, ",")
        if not layout.opens_line(start):
            edits.insert(after, f" {text}")
        elif layout.closes_line(after):  # the bracket is on a later line
            end = "" if comma < 0 else ","
            edits.insert(layout.line_end(after), layout.newline + layout.indent(start) + text + end)
        else:
            edits.insert(after, layout.newline + layout.indent(start) + text)

    def remove(self, index: int) -> None:
        """One of several parts, and the comma that only it needed."""
        start, stop = self.parts[index]
        after = self.parts[index + 1][0] if index + 1 < len(self.parts) else self.close
        comma = self.layout.bare.find(",", stop, after)
        if comma >= 0:
            self.edits.remove(start, self._spaces_after(comma + 1))
            return
        before = self.layout.bare.index(",", self.parts[index - 1][1], start)
        self.edits.replace(before, before + 1, "")
        self.edits.remove(self._spaces_before(start), stop)

    def wrap(self, start: int, stop: int, before: str, after: str) -> None:
        self.edits.insert(self.parts[start][0], before)
        self.edits.insert(self.parts[stop - 1][1], after)

    def _spaces_after(self, offset: int) -> int:
        """To the next part on the line, but not into the space before a comment or line end."""
        rest = self.layout.text[offset : self.layout.line_end(offset)]
        spaces = len(rest) - len(rest.lstrip(" "))
        return offset if rest[spaces : spaces + 1] in ("", "#") else offset + spaces

    def _spaces_before(self, offset: int) -> int:
        """From the end of the part before, if that is on the same line."""
        line = self.layout.text[self.layout.line_start(offset) : offset]
        spaces = len(line) - len(line.rstrip(" "))
        return offset if spaces == len(line) else offset - spaces
