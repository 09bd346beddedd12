"""Where a command puts what it has to say: results on stdout, everything else on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bpcli.cli.environment import Environment
from bpcli.report.document import Document, Line, Piece, Span, spans
from bpcli.report.layout import lay_out, plain
from bpcli.report.text import printable

Format = Literal["text", "json", "markdown", "html", "github"]


@dataclass(frozen=True)
class Output:
    """What --format, --quiet and --no-color ask for, in the environment that there is."""

    environment: Environment
    format: Format = "text"
    quiet: bool = False
    coloured: bool = True

    def show(self, document: Document) -> None:
        """A result, in the format that was asked for. Raises WriteError."""
        if self.format == "json":
            from bpcli.report.json import render

            self.write(render(document))
            return
        environment = self.environment
        lines = lay_out(document, environment.width)
        self.write(self._text(lines, environment.stdout_is_terminal))

    def show_aside(self, document: Document) -> None:
        """For people, where stdout holds something for programs."""
        environment = self.environment
        lines = lay_out(document, environment.width)
        environment.write_message(self._text(lines, environment.stderr_is_terminal))

    def write(self, text: str) -> None:
        """A result that is text already. Raises WriteError."""
        self.environment.write_result(text)

    def say(self, *lines: Piece | Iterable[Piece]) -> None:
        """Progress: messages that --quiet silences."""
        if not self.quiet:
            self.tell(*lines)

    def tell(self, *lines: Piece | Iterable[Piece]) -> None:
        """Messages that a person needs even with --quiet."""
        said = [spans(line if isinstance(line, str | Span) else tuple(line)) for line in lines]
        text = self._text(said, self.environment.stderr_is_terminal)
        self.environment.write_message(text)

    def warn(self, messages: Iterable[str]) -> None:
        for message in messages:
            self.tell((Span("Warning: ", "warning"), printable(message)))

    def _text(self, lines: list[Line], on_terminal: bool) -> str:
        stream = self.environment.stdout
        if not (on_terminal and self.coloured) or stream is None:
            return plain(lines)
        from bpcli.report.terminal.document import in_colour

        return in_colour(lines, stream)
