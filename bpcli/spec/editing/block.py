"""Lists and mappings by indentation: putting a part in, taking one away, indenting some."""

from __future__ import annotations

from dataclasses import dataclass

from bpcli.spec.editing.edits import Edits
from bpcli.spec.editing.layout import Layout
from bpcli.spec.nodes import Mapping, Sequence


@dataclass
class Block:
    """A list with its dashes or a mapping with its keys; its parts are spans of the text."""

    layout: Layout
    edits: Edits
    node: Sequence | Mapping

    def __post_init__(self) -> None:
        layout = self.layout
        if isinstance(self.node, Sequence):
            items = self.node.items
            starts = [layout.dash(self.node, index) for index in range(len(items))]
            self.parts = list(zip(starts, map(layout.end, items), strict=True))
        else:
            entries = self.node.entries
            self.parts = [(key.start.offset, layout.end(value)) for key, value in entries]
        self.column = layout.column(self.node.start.offset)

    def insert(self, index: int, lines: list[str]) -> None:
        """Before the part with that index, and after the comment above that."""
        margin, newline = " " * self.column, self.layout.newline
        if index < len(self.parts):
            self.edits.insert(
                self.parts[index][0], "".join(line + newline + margin for line in lines)
            )
            return
        end = self.parts[-1][1]
        if self._has_broken(end):
            self.edits.replace_lines(end, end, [margin + line for line in lines])
        else:
            added = "".join(newline + margin + line for line in lines)
            self.edits.insert(self.layout.line_end(end), added)

    def remove(self, index: int) -> None:
        start, end = self.parts[index]
        if not self.layout.opens_line(start) and index + 1 < len(self.parts):
            self.edits.replace(start, self.parts[index + 1][0], "")  # it shares the line of a '-'
        else:
            stop = end - 1 if self._has_broken(end) else self.layout.line_end(end)
            self.edits.remove(start, stop)

    def wrap(self, start: int, stop: int, header: list[str], step: int) -> None:
        """Lines above the parts [start, stop), which are indented by a step."""
        layout = self.layout
        line, end = layout.line_start(self.parts[start][0]), self.parts[stop - 1][1]
        for text in header:
            self.edits.insert(line, " " * self.column + text + layout.newline)
        while line < end:
            if layout.text[line : layout.line_end(line)].strip():
                self.edits.insert(line, " " * step)
            line = layout.next_line(line)

    def _has_broken(self, end: int) -> bool:
        """Whether the end is on the next line: that of a block scalar is."""
        return end > 0 and self.layout.line_start(end) == end
