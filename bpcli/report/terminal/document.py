"""Lines in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from bpcli.report.document import Line, Style

STYLES: dict[Style, str] = {
    "plain": "",
    "strong": "bold",
    "muted": "dim",
    "good": "green",
    "warning": "yellow",
    "bad": "bold red",
    "accent": "cyan",
}


def console(stream: TextIO, *, coloured: bool) -> Console:
    """A terminal; what is written to it is never changed, highlighted or broken into lines."""
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        no_color=not coloured,
        force_terminal=True,
        legacy_windows=False,
    )


def text_of(line: Line, *, coloured: bool = True) -> Text:
    text = Text(no_wrap=True, overflow="crop", end="")
    for span in line:
        text.append(span.text, STYLES[span.style] if coloured else "")
    return text


def in_colour(lines: Sequence[Line], stream: TextIO) -> str:
    """The lines with the codes that colour them on this terminal."""
    terminal = console(stream, coloured=True)
    with terminal.capture() as capture:
        for line in lines:
            terminal.print(text_of(line))
    return capture.get()
