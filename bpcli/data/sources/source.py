"""What every source of examples offers: its header, its examples, its files.

A new kind of source is one file with one subclass of :class:`Source`, and one line in
``sources/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bpcli.errors import DataError

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class OptionError(DataError):
    """An option of `data:` that does not fit the data; ``option`` is its key."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class Numbers:
    """A column of numbers; what is not finite is missing."""

    name: str
    values: Array  # float64


@dataclass(frozen=True)
class Words:
    """A column of text: ``words[codes]``; -1 is missing."""

    name: str
    codes: Array  # int64
    words: tuple[str, ...]


Column = Numbers | Words


@dataclass(frozen=True)
class RawTargets:
    """Targets as they stand in a source: numbers, or codes of ``words``.

    ``labels``: they name classes whatever the loss, as words do. ``classes``: all that there are,
    in their order, where the source says so: examples may have only some of them.
    """

    names: tuple[str, ...]
    values: Array  # (examples, ...)
    words: tuple[str, ...] | None = None
    labels: bool = False
    classes: tuple[str, ...] | None = None

    def of(self, rows: Array | None) -> RawTargets:
        """Those of some rows, None for all."""
        return self if rows is None else replace(self, values=self.values[rows])


@dataclass(frozen=True)
class Examples:
    """All that a source holds: a table's columns or an array with an example a row, and targets."""

    inputs: tuple[Column, ...] | Array
    targets: RawTargets | None
    source: Source

    def __len__(self) -> int:
        if isinstance(self.inputs, tuple):
            column = self.inputs[0]
            return len(column.values if isinstance(column, Numbers) else column.codes)
        return len(self.inputs)

    @property
    def mapped(self) -> bool:
        """Whether the inputs stay on disk."""
        return isinstance(self.inputs, np.memmap)


@dataclass(frozen=True)
class TargetHeader:
    """What a header tells of targets; None: only the data can tell."""

    shape: Shape | None  # of one example, () for a single column
    labels: bool | None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Header:
    """What can be known before the data are read; None: only the data can tell."""

    input_shape: Shape | None
    targets: TargetHeader | None
    examples: int | None


class Source:
    """Where examples come from."""

    kind = ""  # in messages: "a table"

    def header(self) -> Header:
        """What the head of the file tells. Raises DataError."""
        raise NotImplementedError

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        """All examples; without targets where nobody needs them. Raises DataError.

        ``text`` says which columns are known to hold text or numbers.
        """
        raise NotImplementedError

    def files(self) -> tuple[Path, ...]:
        """The files behind it, in a fixed order."""
        return ()

    def identity(self) -> str:
        """What else decides its examples."""
        return ""

    @property
    def name(self) -> str:
        """What messages call it: its file."""
        return str(self.files()[0])

    def locate(self, row: int, column: str = "", index: int | None = None) -> str:
        """Where the example of this number, from 0, stands: the start of a message."""
        place = f"{self.name}: example {row}"
        return place + (f", {column}" if column else "") + (f" [{index}]" if index else "")


class RowsOf(Source):
    """Some rows of a source, for messages about those who count them from 0; None: all."""

    def __init__(self, source: Source, rows: Array | None) -> None:
        self.source, self.rows = source, rows

    def files(self) -> tuple[Path, ...]:
        return self.source.files()

    @property
    def name(self) -> str:
        return self.source.name

    def locate(self, row: int, column: str = "", index: int | None = None) -> str:
        number = row if self.rows is None else int(self.rows[row])
        return self.source.locate(number, column, index)


def same_length(inputs: Array, targets: Array, place: str) -> None:
    """Every example needs its target."""
    if len(inputs) != len(targets):
        raise DataError(
            f"{place}: {len(inputs):,} inputs and {len(targets):,} targets; "
            "each example needs exactly one target"
        )
