"""Text: a sequence of characters, each a code by its place among the text's sorted characters."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from bpcli.data.files import (
    MOST_TABLE_BYTES,
    check_expansion,
    check_memory,
    existing,
    is_packed,
    open_bytes,
    reading,
)
from bpcli.data.sources.source import Array, Examples, Header, Source, TargetHeader
from bpcli.errors import DataError

_BLOCK = 1 << 20  # characters
_CODE_POINTS = 0x110000


class Text(Source):
    """A text file, UTF-8, plain or gzipped; every line end is one newline character.

    The vocabulary is that of the whole file unless one is given; then a character that is not in
    it is an error.
    """

    kind = "a text"

    def __init__(self, path: Path, vocabulary: Sequence[str] | None = None) -> None:
        self.path = existing(path)
        self._given = None if vocabulary is None else tuple(vocabulary)

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def header(self) -> Header:
        """Counts the characters: a text has no other header."""
        return Header((), TargetHeader((), True, self.vocabulary), self._length)

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        """The codes of all characters, in the smallest dtype that holds them."""
        dtype = np.min_scalar_type(len(self.vocabulary))
        check_memory(self.path, self._length * dtype.itemsize)
        codes, done = np.empty(self._length, dtype), 0
        for block in self._blocks():
            if done == self._length:  # what was written after it was counted
                break
            found = encode(block, self.vocabulary)[: self._length - done]
            if found.min() < 0:
                raise self._unknown(block, int(np.argmin(found)), done)
            codes[done : done + len(found)] = found
            done += len(found)
        if done < self._length:
            raise DataError(f"{self.path}: became shorter while it was read; try again")
        return Examples(codes, None, self)

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The characters by their codes."""
        return self._counted[0] if self._given is None else self._given

    @property
    def _length(self) -> int:
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[tuple[str, ...], int]:
        """(the different characters, how many there are in all)."""
        seen, length = np.zeros(_CODE_POINTS, bool), 0
        for block in self._blocks():
            seen[_code_points(block)] = True
            length += len(block)
        if not length:
            raise DataError(f"{self.path}: the file is empty")
        return tuple(map(chr, np.flatnonzero(seen).tolist())), length

    def _blocks(self) -> Iterator[str]:
        packed, size = self.path.stat().st_size, 0
        is_gzip = is_packed(self.path)
        with (
            reading(self.path),
            io.TextIOWrapper(open_bytes(self.path), encoding="utf-8-sig") as file,
        ):
            while block := file.read(_BLOCK):
                size += len(block)
                if is_gzip:
                    check_expansion(self.path, packed, size)
                if size > MOST_TABLE_BYTES:
                    raise DataError(f"{self.path}: more than {MOST_TABLE_BYTES:,} characters")
                if "\0" in block:
                    raise DataError(f"{self.path}: not a text file, it holds zero bytes")
                yield block

    def _unknown(self, block: str, place: int, before: int) -> DataError:
        return DataError(
            f"{self.locate(before + place)}: the character {block[place]!r} does not occur in the "
            f"text that was trained on; it has {len(self.vocabulary)} others"
        )

    def locate(self, row: int, column: str = "", index: int | None = None) -> str:
        """FILE:LINE:COLUMN of the character with this number."""
        line, start, done = 1, 0, 0
        for block in self._blocks():
            upto = block[: row - done]
            if "\n" in upto:
                line += upto.count("\n")
                start = done + upto.rfind("\n") + 1
            done += len(block)
            if done > row:
                break
        return f"{self.path}:{line}:{row - start + 1}"


def encode(text: str, vocabulary: Sequence[str]) -> Array:
    """(len(text),) int32: each character's code, -1 for one that the vocabulary does not have."""
    table = np.full(_CODE_POINTS, -1, np.int32)
    table[[ord(character) for character in vocabulary]] = np.arange(len(vocabulary))
    return table[_code_points(text)]


def _code_points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
