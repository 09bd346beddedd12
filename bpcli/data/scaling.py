"""Scaling: y = (x - offset) · factor, column by column, by the training part alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bpcli.data.sources.source import Array

_BLOCK_VALUES = 1 << 20  # 8 MiB of float64: what a pass over the data holds at a time
_LARGEST_EXPONENT = 400  # 2^±400 is about 1e±120, whose squares are numbers still


@dataclass(frozen=True)
class Scaling:
    """y = (x - offset) · factor over columns; 0 and 1 leave a column as it is."""

    offset: Array  # (columns,) float64
    factor: Array

    @property
    def is_identity(self) -> bool:
        return not self.offset.any() and bool((self.factor == 1).all())

    def apply(self, block: Array) -> Array:
        """Scales rows of float64 in place."""
        if self.offset.any():
            block -= self.offset
        block *= self.factor
        return block

    def undo(self, values: Array) -> Array:
        """x = y / factor + offset, in float64."""
        return np.asarray(values, np.float64) / self.factor + self.offset


@dataclass(frozen=True)
class Statistics:
    """Of each column: mean, standard deviation (over N), least and greatest value."""

    mean: Array
    deviation: Array
    least: Array
    greatest: Array


Read = Callable[[slice], Array]  # rows -> (rows, columns) in float64, an array of its own


def blocks(count: int, columns: int) -> Iterator[slice]:
    """Slices of rows that cover ``count`` rows, a few megabytes each."""
    rows = max(1, _BLOCK_VALUES // max(1, columns))
    return (slice(start, min(start + rows, count)) for start in range(0, count, rows))


def statistics(read: Read, count: int, columns: int, *, filled: bool = True) -> Statistics:
    """Of the rows that ``read`` gives, in two passes: E[(x - mean)²] loses no digits.

    ``filled``: gaps count as the mean, which will be put in their place; else they do not count.
    Columns whose squares would overflow or vanish are taken in a unit of their own.
    """
    total, present = np.zeros(columns), np.zeros(columns)
    least, greatest = np.full(columns, np.inf), np.full(columns, -np.inf)
    for rows in blocks(count, columns):
        block = read(rows)
        finite = np.isfinite(block)
        present += finite.sum(axis=0)
        with np.errstate(over="ignore"):  # it is added anew then
            total += np.where(finite, block, 0).sum(axis=0)
        least = np.minimum(least, np.where(finite, block, np.inf).min(axis=0))
        greatest = np.maximum(greatest, np.where(finite, block, -np.inf).max(axis=0))
    unit, in_units = _units(least, greatest), read
    if unit.any():

        def in_units(rows: slice) -> Array:
            return np.ldexp(read(rows), -unit)

        parts = (in_units(rows) for rows in blocks(count, columns))
        total = sum(np.where(np.isfinite(part), part, 0).sum(axis=0) for part in parts)
    mean = total / np.maximum(present, 1)
    # of a constant column exactly, so that it becomes 0
    mean = np.where((least >= greatest) & (present > 0), np.ldexp(least, -unit), mean)
    squares = np.zeros(columns)
    for rows in blocks(count, columns):
        block = in_units(rows)
        block -= mean
        block[~np.isfinite(block)] = 0
        squares += np.einsum("ij,ij->j", block, block)
    deviation = np.sqrt(squares / np.maximum(count if filled else present, 1))
    return Statistics(np.ldexp(mean, unit), np.ldexp(deviation, unit), least, greatest)


def _units(least: Array, greatest: Array) -> Array:
    """Exponents of 2, whose powers change no digit: 0 for any but the oddest columns."""
    largest = np.maximum(np.abs(least), np.abs(greatest))
    exponent = np.frexp(np.where(np.isfinite(largest), largest, 0.0))[1]
    return np.where(np.abs(exponent) > _LARGEST_EXPONENT, exponent, 0)


def fit_scaling(scale: str | float, found: Statistics | None, columns: int) -> Scaling:
    """The scaling that an option asks for: none, standard, minmax, or a number to multiply by.

    standard: (x - mean) / deviation; minmax: (x - least) / (greatest - least). A constant
    column is divided by 1.
    """
    zeros, ones = np.zeros(columns), np.ones(columns)
    if isinstance(scale, float | int):
        return Scaling(zeros, np.full(columns, float(scale)))
    if scale == "none" or found is None:
        return Scaling(zeros, ones)
    offset, width = {
        "standard": (found.mean, found.deviation),
        "minmax": (found.least, found.greatest - found.least),
    }[scale]
    varies = found.greatest > found.least
    seen = np.isfinite(offset)
    # the reciprocal of less than the least normal number is beyond the largest
    factor = 1 / np.where(varies & (width >= np.finfo(np.float64).tiny), width, 1.0)
    return Scaling(np.where(seen, offset, 0.0), factor)
