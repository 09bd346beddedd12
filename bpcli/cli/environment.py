"""What surrounds the program: its streams, and what they can show."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

from bpcli.cli import plain_characters
from bpcli.errors import WriteError

PIPE_WIDTH = 80  # columns, where no terminal says how many


@dataclass
class Environment:
    """Results go to ``stdout``, everything else to ``stderr``.

    The commands look here and never at `sys` or `os.environ`, so a test can put in its own.
    """

    stdout: TextIO | None
    stderr: TextIO | None
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_process(cls) -> Environment:
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                ascii_alone = _is_terminal(stream) and _asks_for_ascii(os.environ)
                encoding = "ascii" if ascii_alone else None
                reconfigure(encoding=encoding, errors=plain_characters.NAME)
        return cls(sys.stdout, sys.stderr, os.environ)

    def __post_init__(self) -> None:
        dumb = self.variables.get("TERM") == "dumb"
        self.stdout_is_terminal = _is_terminal(self.stdout)
        self.stderr_is_terminal = _is_terminal(self.stderr)
        self.animated = self.stderr_is_terminal and not dumb
        self.coloured = not dumb and not self.variables.get("NO_COLOR")

    @property
    def width(self) -> int:
        if not (self.stdout_is_terminal or self.stderr_is_terminal):
            return PIPE_WIDTH
        import shutil

        return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns

    @property
    def wants_traceback(self) -> bool:
        return self.variables.get("BPCLI_TRACEBACK", "") not in ("", "0")

    def write_result(self, text: str) -> None:
        """To stdout, at once; raises WriteError, and BrokenPipeError where nobody reads."""
        if self.stdout is None:
            raise WriteError("could not write the results: standard output is closed")
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise WriteError(f"could not write the results: {error.strerror}") from None

    def write_message(self, text: str) -> None:
        """To stderr; lost where that is closed."""
        if self.stderr is None:
            return
        try:
            self.stderr.write(text)
            self.stderr.flush()
        except OSError:
            self.stderr = None


def _asks_for_ascii(variables: Mapping[str, str]) -> bool:
    """By LC_ALL=C. Python itself takes that for UTF-8 (PEP 540), and so cannot tell; LANG=C, which
    is what stands where nobody chose, stays UTF-8."""
    chosen = any(variables.get(name) for name in ("PYTHONIOENCODING", "PYTHONUTF8"))
    return variables.get("LC_ALL") in ("C", "POSIX") and not chosen


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
