"""Replacements in a text, collected first and made together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bpcli.spec.editing.layout import Layout


class Overlap(ValueError):  # noqa: N818  not an error of ours: the editor turns it into one
    """Two edits of the same place."""

    def __str__(self) -> str:
        return "two edits fall on the same place"


class _Edit(NamedTuple):
    start: int
    stop: int
    text: str


@dataclass
class Edits:
    """Edits of a layout's text; at one place those that were asked for first stand first."""

    layout: Layout

    def __post_init__(self) -> None:
        self._edits: list[_Edit] = []

    def insert(self, at: int, text: str) -> None:
        self._edits.append(_Edit(at, at, text))

    def replace(self, start: int, stop: int, text: str) -> None:
        """The text in place of [start, stop); comments in there move to lines above it."""
        layout = self.layout
        line = layout.line_start(start)
        moved = [
            layout.indent(line) + comment + layout.newline
            for comment in layout.comments_in(start, stop)
        ]
        if moved:
            self.insert(line, "".join(moved))
        self._edits.append(_Edit(start, stop, text))

    def remove(self, start: int, stop: int) -> None:
        """Takes [start, stop) away, and its lines with it where nothing else is on them."""
        layout = self.layout
        rest = layout.text[stop : layout.line_end(stop)]
        if not layout.opens_line(start):
            self.replace(start, stop, "")
        elif not rest.strip(" \t"):
            indent = layout.indent(start)
            start, stop = layout.line_start(start), layout.next_line(stop)
            comments = layout.comments_in(start, stop)
            self.replace_lines(start, stop, [indent + comment for comment in comments])
        else:
            self.replace(start, stop + len(rest) - len(rest.lstrip(" ")), "")

    def replace_lines(self, start: int, stop: int, lines: list[str]) -> None:
        """Whole lines in place of whole lines, without looking for comments."""
        newline = self.layout.newline
        self._edits.append(_Edit(start, stop, "".join(line + newline for line in lines)))

    def made(self) -> str:
        """The text with all edits in it."""
        text, parts, at = self.layout.text, [], 0
        for edit in sorted(self._edits, key=lambda edit: edit.start):
            if edit.start < at:
                raise Overlap
            parts += [text[at : edit.start], edit.text]
            at = edit.stop
        return "".join(parts) + text[at:]
