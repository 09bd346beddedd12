"""The errors that are meant for people; the command line prints them without a traceback.

Each knows the exit code it ends the command with (`docs/commands.md` lists the codes).
"""

from __future__ import annotations

from dataclasses import dataclass


class BpcliError(Exception):
    """Anything bpcli can explain: the message is the whole story."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file, and where: prints as ``FILE:LINE:COLUMN: message``."""

    message: str
    file: str = ""
    line: int = 0  # from 1; 0: nowhere in particular
    column: int = 0

    def __str__(self) -> str:
        place = [self.file] if self.file else []
        place += [str(number) for number in (self.line, self.column) if number]
        return ":".join([*place, " " + self.message]).lstrip()


class SpecError(BpcliError):
    """A spec that cannot be used, with all its problems at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        super().__init__("\n".join(map(str, self.problems)))


class ShapeError(BpcliError):
    """A layer cannot take the shape that reaches it; says what it takes."""


class DataError(BpcliError):
    """Data that cannot be read or used."""


class CheckpointError(BpcliError):
    """A run or checkpoint that is damaged, missing, or of another network."""


class WriteError(BpcliError):
    """A file could not be written."""

    exit_code = 5
