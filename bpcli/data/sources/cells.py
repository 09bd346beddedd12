"""The cells of a table: numbers, words, and what says that nothing is there."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bpcli.data.sources.source import Array, Column, Numbers, Words

# 1,5 and 1,234.5 and 1.234,5: numbers to their writer, words to everybody else
_WITH_COMMA = re.compile(r"[+-]?(\d+(,\d+)+(\.\d+)?|\d{1,3}(\.\d{3})+,\d+)")
MISSING = frozenset(("", "nan", "na", "n/a", "null", "?"))  # in lower case


class OddCell(Exception):  # noqa: N818  caught before anybody sees it
    """A word in a column of numbers."""

    def __init__(self, row: int, cell: str) -> None:
        self.row, self.cell = row, cell


class TextAfterAll(Exception):  # noqa: N818
    """A column that began with numbers holds words."""


@dataclass
class GrowingColumn:
    """A column while it is read, a chunk of cells at a time.

    It holds numbers as long as all cells are numbers or missing. With a word among them it is
    text if at least half of its cells so far are words; otherwise the word is a mistake, and so is
    a number with a comma that is none here.
    """

    name: str
    is_text: bool | None  # None: not known yet
    decimal_comma: bool
    numbers: list[Array] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)  # "." and ",", as its numbers have them
    codes: list[int] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=dict)

    def add(self, cells: Sequence[str]) -> None:
        if self.is_text and not self.numbers:
            self._add_words(cells)
            return
        try:
            self.numbers.append(_parse(cells, self.decimal_comma, self.marks))
        except OddCell:
            if self.is_text is False or not self._mostly_words(cells):
                raise
            for row, cell in enumerate(cells):
                if _WITH_COMMA.fullmatch(cell.strip()) and not self._is_plain_number(cell):
                    raise OddCell(row, cell) from None
            if self.numbers:
                raise TextAfterAll from None
            self.is_text = True
            self._add_words(cells)

    def _mostly_words(self, cells: Sequence[str]) -> bool:
        present = [cell for cell in cells if not is_missing(cell)]
        odd = sum(not self._is_plain_number(cell) for cell in present)
        before = sum(int(np.isfinite(piece).sum()) for piece in self.numbers)
        return 2 * odd >= len(present) + before

    def _is_plain_number(self, cell: str) -> bool:
        try:
            to_number(cell, self.decimal_comma)
        except ValueError:
            return False
        return True

    def _add_words(self, cells: Sequence[str]) -> None:
        for cell in cells:
            word = cell.strip()
            known = self.words.get(word)
            if known is None:
                known = -1 if is_missing(word) else len(self.words)
                if known >= 0:
                    self.words[word] = known
            self.codes.append(known)

    def finish(self) -> Column:
        if self.is_text:
            return Words(self.name, np.array(self.codes, np.int64), tuple(self.words))
        return Numbers(self.name, np.concatenate(self.numbers))


def is_missing(cell: str) -> bool:
    """Whether a cell holds nothing, or a word that says so."""
    return cell.strip().lower() in MISSING


def _parse(cells: Sequence[str], decimal_comma: bool, before: set[str]) -> Array:
    """The cells as numbers, NaN where missing; raises OddCell at the first that is neither.

    ``before`` are the decimal marks of the cells before, to which it adds those of these: points
    and commas in one column are no decimal marks both.
    """
    text = "".join(cells)
    marks = before | {mark for mark in ".," if decimal_comma and mark in text}
    mixed = len(marks) > 1
    try:
        if "_" not in text and not mixed:  # float("1_000") is a thousand to Python alone
            numbers = np.array(list(map(float, cells)))
            before |= marks
            return numbers
    except ValueError:
        pass
    numbers = np.empty(len(cells))
    odd = "." if before == {","} else ","
    for row, cell in enumerate(cells):
        try:
            numbers[row] = to_number(cell, decimal_comma)
        except ValueError:
            raise OddCell(row, cell) from None
        if mixed and odd in cell:
            raise OddCell(row, cell)
    before |= marks
    return numbers


def to_number(cell: str, decimal_comma: bool) -> float:
    if is_missing(cell):
        return math.nan
    if "_" in cell:
        raise ValueError
    if decimal_comma and "," in cell:
        if "." in cell:
            raise ValueError
        cell = cell.replace(",", ".", 1)
    return float(cell)
