"""Tables: CSV with its dialects, plain or gzipped.

The delimiter (tab, semicolon or comma), the header and the kind of each column are found from the
text. Nothing is guessed in silence: what is neither clearly a number nor clearly a word is an
error with its line.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bpcli.data.files import check_table_size, did_you_mean, existing, read_lines, reading
from bpcli.data.sources.cells import GrowingColumn, OddCell, TextAfterAll, is_missing, to_number
from bpcli.data.sources.source import (
    Column,
    Examples,
    Header,
    Numbers,
    OptionError,
    RawTargets,
    Source,
    TargetHeader,
    Words,
)
from bpcli.errors import DataError

DELIMITERS = "\t;,"  # in this order: a comma may be a decimal comma beside the other two
MOST_COLUMNS = 100_000  # take some seconds to sort out
_HEAD_ROWS = 200
_CHUNK_ROWS = 4096

Row = list[str]


class Table(Source):
    """A file of rows and columns; columns are known by name, or by number where none are named."""

    kind = "a table"

    def __init__(
        self,
        path: Path,
        *,
        target: Any = None,
        features: Sequence[str | int] | None = None,
        header: bool | None = None,
        series: bool = False,
        targets: bool = True,
    ) -> None:
        self.path = existing(path)
        self.target, self.selected, self.header_option = target, features, header
        self.series, self.has_targets = series, targets

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def header(self) -> Header:
        kinds = {name: self._head_kind(name) for name in (*self.features, *self.targets)}
        numeric = all(kinds[name] is False for name in self.features)
        shape = () if len(self.targets) == 1 else (len(self.targets),)
        labels = kinds[self.targets[0]] if len(self.targets) == 1 else False
        return Header((len(self.features),) if numeric else None, TargetHeader(shape, labels), None)

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        wanted = tuple(dict.fromkeys((*self.features, *(self.targets if targets else ()))))
        with reading(self.path):
            columns = self._read(wanted, dict(text or {}))
        inputs = tuple(columns[name] for name in self.features)
        raw = self._raw_targets([columns[name] for name in self.targets]) if targets else None
        return Examples(inputs, raw, self)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The names of the target columns."""
        if self.target is None:
            return (self.names[-1],)
        asked = self.target if isinstance(self.target, (tuple, list)) else (self.target,)
        return self._resolve("target", asked)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The names of the columns that are inputs; a series goes on from itself."""
        if self.selected is None and self.series:
            return self.targets
        if self.selected is None:
            targets = set(self.targets) if self.has_targets else ()
            found = tuple(name for name in self.names if name not in targets)
        else:
            found = self._resolve("features", self.selected)
        taken = set(self.targets) if self.target is not None else ()
        both = [name for name in found if name in taken]
        if both and not self.series:
            raise OptionError(
                "features", f"column {both[0]!r} is the target and cannot be a feature too"
            )
        if not found:
            raise DataError(
                f"{self.path}: no column is left for the inputs; expected columns divided by a "
                f"comma, a semicolon or a tab, found {self._listed()}"
            )
        return found

    def _resolve(self, option: str, asked: Sequence[str | int]) -> tuple[str, ...]:
        found: dict[str, None] = {}  # in order
        for name in asked:
            if str(name) not in self._places:
                raise OptionError(
                    option,
                    f"{self.path}: no column {name!r}"
                    + (did_you_mean(str(name), list(self.names)) or f"; it has {self._listed()}"),
                )
            if str(name) in found:
                raise OptionError(option, f"column {name!r} is named twice")
            found[str(name)] = None
        return tuple(found)

    def _listed(self) -> str:
        names = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
        if self.has_header:
            return f"the columns {names}"
        return f"no header and the columns {names}" if len(self.names) > 1 else "only one column"

    # the head of the file: delimiter, header, names

    @cached_property
    def _head(self) -> list[str]:
        with reading(self.path):
            check_table_size(self.path)
            lines: list[str] = []
            for line in itertools.islice(read_lines(self.path), _HEAD_ROWS):
                self._check_columns(line)
                lines.append(line)
        if not any(line.strip() for line in lines):
            raise DataError(f"{self.path}: the file is empty")
        return lines

    def _check_columns(self, line: str) -> None:
        columns = 1 + max(map(line.count, DELIMITERS))
        if columns > MOST_COLUMNS:
            raise DataError(
                f"{self.path}: a row of {columns:,} cells, tables have at most {MOST_COLUMNS:,} "
                "columns; convert the data to two .npy files and name them with `inputs:` and "
                "`targets:`"
            )

    @cached_property
    def delimiter(self) -> str:
        """The first delimiter that cuts all rows of the head into equally many cells."""
        for delimiter in DELIMITERS:
            widths = {len(row) for row in self._head_rows_by(delimiter)}
            if len(widths) == 1 and widths != {1}:
                return delimiter
        first = next(line for line in self._head if line.strip())
        return max(reversed(DELIMITERS), key=first.count)  # a ragged table: reading finds the row

    def _head_rows_by(self, delimiter: str) -> list[Row]:
        rows = []
        try:
            for row in csv.reader(self._head, delimiter=delimiter, skipinitialspace=True):
                rows.append(row)
        except csv.Error:
            pass  # reading finds the line
        if len(self._head) == _HEAD_ROWS and len(rows) > 1:
            rows.pop()  # may be cut inside quotes
        return [row for row in rows if _holds_something(row)]

    @cached_property
    def _head_rows(self) -> list[Row]:
        rows = self._head_rows_by(self.delimiter)
        if not rows:
            raise DataError(f"{self.path}: no rows of a table were found in it")
        return rows

    @cached_property
    def has_header(self) -> bool:
        """Whether the first line holds names rather than data."""
        if self.header_option is not None:
            return self.header_option
        first, *rest = self._head_rows
        asked, present = self._asked_names, {cell.strip() for cell in first}
        if asked and asked <= present:
            return True
        words = [
            (cell.strip(), [row[n].strip() for row in rest if n < len(row)])
            for n, cell in enumerate(first)
            if not self._is_number(cell) and not is_missing(cell)
        ]
        if not words:
            return False
        # names stand over numbers, which a word of the data could not, and words of the data
        # come up again in their own column, which a name seldom does
        over_numbers = sum(self._are_numbers(below) for _, below in words)
        again = sum(word in below for word, below in words)
        if again and not (over_numbers and len(words) == len(first)):
            return False
        if over_numbers > again or (not again and len(words) == len(first)):
            return True
        if asked and not asked & present:
            return False
        raise OptionError(
            "header",
            f"{self.path}:1: cannot tell whether this line holds the columns' names or data; "
            "say `header: true` or `header: false`",
        )

    @property
    def _asked_names(self) -> set[str]:
        """The columns that are asked for by a name; a number may stand for a column without one."""
        target = self.target if isinstance(self.target, (tuple, list)) else (self.target,)
        asked = (str(name) for name in (*(self.selected or ()), *target) if name is not None)
        return {name for name in asked if not name.isdecimal()}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, or their numbers from 0."""
        first = self._head_rows[0]
        if not self.has_header:
            return tuple(map(str, range(len(first))))
        places: dict[str, int] = {}
        for number, name in enumerate((cell.strip() for cell in first), 1):
            if not name:
                raise DataError(
                    f"{self.path}:1: column {number} has no name; name it in the header (an index "
                    "that pandas wrote is left out with `to_csv(index=False)`)"
                )
            if name in places:
                raise DataError(
                    f"{self.path}:1: columns {places[name]} and {number} are both called "
                    f"{name!r}; every column needs a name of its own"
                )
            places[name] = number
        return tuple(places)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Name to column, from 0: tables may have tens of thousands."""
        return {name: place for place, name in enumerate(self.names)}

    def _head_kind(self, name: str) -> bool | None:
        """Whether the column is text, as far as the head tells."""
        place = self._places[name]
        rows = self._head_rows[1:] if self.has_header else self._head_rows
        cells = [row[place] for row in rows if place < len(row) and not is_missing(row[place])]
        return not all(map(self._is_number, cells)) if cells else None

    def _are_numbers(self, cells: Sequence[str]) -> bool:
        present = [cell for cell in cells if not is_missing(cell)]
        return bool(present) and all(map(self._is_number, present))

    def _is_number(self, cell: str) -> bool:
        try:
            return not math.isnan(to_number(cell, self.decimal_comma))
        except ValueError:
            return False

    @property
    def decimal_comma(self) -> bool:
        """Whether "1,5" may be a number: where the comma does not divide columns."""
        return self.delimiter != ","

    # reading

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """(line, cells) of the rows of data."""
        reader = csv.reader(
            read_lines(self.path), delimiter=self.delimiter, skipinitialspace=True, strict=True
        )
        try:
            single = len(self.names) == 1  # then an empty cell is a row of its own
            rows: Iterator[tuple[int, Row]] = (
                (reader.line_num, row) for row in reader if row and (single or row != [""])
            )
            if self.has_header:
                rows = itertools.dropwhile(lambda row: not _holds_something(row[1]), rows)
                next(rows, None)
            yield from rows
        except csv.Error as error:
            raise DataError(
                f"{self.path}:{reader.line_num}: not a row of a table ({error}); "
                'a cell with quotes in it is written "like ""this"""'
            ) from None

    def _read(self, wanted: Sequence[str], text: dict[str, bool]) -> dict[str, Column]:
        places = [self._places[name] for name in wanted]
        columns = [GrowingColumn(name, text.get(name), self.decimal_comma) for name in wanted]
        rows, count = self._rows(), 0
        while chunk := list(itertools.islice(rows, _CHUNK_ROWS)):
            self._check_widths(chunk)
            cells = list(zip(*(row for _, row in chunk), strict=True))
            words: list[str] = []
            for place, column in zip(places, columns, strict=True):
                try:
                    column.add(cells[place])
                except OddCell as odd:
                    raise self._odd(column, odd, chunk[odd.row][0]) from None
                except TextAfterAll:
                    words.append(column.name)
            if words:
                return self._read(wanted, text | dict.fromkeys(words, True))
            count += len(chunk)
        if not count:
            raise DataError(f"{self.path}: the table has no rows of data")
        return {column.name: column.finish() for column in columns}

    def _check_widths(self, chunk: list[tuple[int, Row]]) -> None:
        width = len(self.names)
        for line, row in chunk:
            if len(row) != width:
                raise DataError(
                    f"{self.path}:{line}: expected {width} cells as in the first line, "
                    f"received {len(row)}"
                )

    def _odd(self, column: GrowingColumn, odd: OddCell, line: int) -> DataError:
        cure = "correct the cell"
        if column.is_text is None:  # not yet settled by what a network was trained on
            cure += ", or leave the column out with `features:`"
        if "," in odd.cell and self.decimal_comma:
            cure = "write all its numbers with a decimal point, or all with a decimal comma"
        elif "," in odd.cell:
            cure = "write its numbers without commas, like 1234.5"
        return DataError(
            f"{self.path}:{line}: column {column.name!r} holds numbers, received "
            f"{_shortened(odd.cell)}; {cure}"
        )

    def _raw_targets(self, columns: list[Column]) -> RawTargets:
        names = tuple(column.name for column in columns)
        numbers = [column for column in columns if isinstance(column, Numbers)]
        if len(numbers) == len(columns):
            values = [column.values for column in numbers]
            return RawTargets(names, values[0] if len(values) == 1 else np.stack(values, axis=1))
        first = next(column for column in columns if isinstance(column, Words))
        if len(columns) > 1:
            raise OptionError(
                "target",
                f"{self.path}: several target columns must all hold numbers, {first.name!r} "
                "holds text; name one column of classes, or columns of numbers",
            )
        return RawTargets(names, first.codes, first.words, labels=True)

    def locate(self, row: int, column: str = "", index: int | None = None) -> str:
        line, cells = next(itertools.islice(self._rows(), row, None))
        if column not in self._places:
            return f"{self.path}:{line}"
        cell = cells[self._places[column]].strip()
        return f"{self.path}:{line}: column {column!r} holds {_shortened(cell)}"


def _holds_something(row: Row) -> bool:
    return bool(row) and row != [""]


def _shortened(cell: str) -> str:
    if not cell.strip():
        return "nothing"
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")
