"""Inputs: from columns or arrays to what the network reads.

Numeric columns stay as they are, a column of text becomes one column for each of its words
(one-hot), missing cells are filled, columns are scaled, examples are given their shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpcli.data.files import did_you_mean
from bpcli.data.scaling import Scaling, Statistics, blocks, fit_scaling, statistics
from bpcli.data.sources import Examples, OptionError, Source
from bpcli.data.sources.source import Array, Column, Numbers, Shape, Words
from bpcli.errors import DataError

MOST_WORDS = 100  # of one text column; more are names, not kinds
Rows = Array | None  # indices of examples, None: all


@dataclass(frozen=True)
class Feature:
    """A column of a table: a number, or one of these words."""

    name: str
    words: tuple[str, ...] | None

    @property
    def width(self) -> int:
        return 1 if self.words is None else len(self.words)


@dataclass(frozen=True)
class Inputs:
    """How inputs are prepared; everything in it was fitted on the training part.

    `missing: mean` fills a gap with the mean of its column. Of a one-hot column the mean is the
    share of its word, so a gap in a text column becomes the shares of all its words. One-hot
    columns are not scaled. A word that the training part does not have gives zeros if it comes
    from the same table, and is an error in any other.
    """

    features: tuple[Feature, ...] | None  # None: an array
    source_shape: Shape  # of one example before `shape:`
    shape: Shape
    dtype: str
    scaling: Scaling
    fill: Array | None  # (columns,) what a gap becomes
    codes: int | None = None  # how many there are, where inputs are codes of symbols

    def prepare(self, examples: Examples, rows: Rows = None, *, strict: bool = True) -> Array:
        """The examples of these rows, (rows, *shape), in a new array or in the source's own.

        ``strict``: a word that the training part does not have is an error.
        """
        source = self.matrix(examples, strict=strict)
        count = len(source) if rows is None else len(rows)
        dtype = np.dtype(self.dtype)
        if rows is None and source.dtype == dtype and source.flags.writeable:
            prepared = source  # nobody else holds it: no second copy
        else:
            prepared = np.empty((count, source.shape[1]), dtype)
        for part in blocks(count, source.shape[1]):
            block = source[part if rows is None else rows[part]]
            self._check_codes(block, f"{examples.source.name}: ")
            with np.errstate(over="ignore", invalid="ignore"):  # found right below
                prepared[part] = self.finish(block)
            if not np.isfinite(prepared[part]).all():
                other = " or use `dtype: float64`" if dtype == np.float32 else " by another number"
                raise DataError(
                    f"{examples.source.name}: values too large for {dtype}; scale the inputs{other}"
                )
        return prepared.reshape(-1, *self.shape)

    def finish(self, block: Array) -> Array:
        """Rows of the source, flat, filled and scaled; float64 unless nothing is to be done."""
        if self.fill is None and self.scaling.is_identity:
            return block
        block = block.astype(np.float64)
        if self.fill is not None:
            np.copyto(block, self.fill, where=~np.isfinite(block))
        with np.errstate(over="ignore"):
            return self.scaling.apply(block)

    def prepare_block(self, block: Array) -> Array:
        """Rows of the source, flat, as the network reads them, in an array of their own."""
        self._check_codes(block, "")
        with np.errstate(over="ignore"):
            return self.finish(block).astype(self.dtype).reshape(-1, *self.shape)

    def _check_codes(self, block: Array, name: str) -> None:
        if self.codes is None:
            return
        known = (block >= 0) & (block < self.codes) & (block % 1 == 0)
        if not known.all():
            wrong, last = block[~known][0], self.codes - 1
            raise DataError(f"{name}holds the code {wrong:g}; training had codes 0 to {last}")

    def matrix(self, examples: Examples, *, strict: bool = True) -> Array:
        """The examples as rows of numbers, before filling and scaling; checks what they are.

        A table of numbers and an array stand for each other where their sizes agree.
        """
        if isinstance(examples.inputs, tuple):
            features = self.features or tuple(Feature(c.name, None) for c in examples.inputs)
            self._check_columns(examples, features)
            return _encode(examples.inputs, features, examples.source if strict else None)
        received = examples.inputs.shape[1:]
        words = [feature.name for feature in self.features or () if feature.words is not None]
        fits = received in (self.source_shape, self.shape, (math.prod(self.source_shape),))
        if words or not fits:
            expected = f"the words of {words[0]!r}" if words else f"shape {self.source_shape}"
            raise DataError(
                f"{examples.source.name}: expected examples with {expected} as in training, "
                f"received arrays of shape {received}"
            )
        return examples.inputs.reshape(len(examples), -1)

    def _check_columns(self, examples: Examples, features: Sequence[Feature]) -> None:
        expected, received = math.prod(self.source_shape), sum(f.width for f in features)
        if expected != received:
            raise DataError(
                f"{examples.source.name}: expected {expected:,} columns of inputs as in training, "
                f"received {received:,}"
            )
        for column, feature in zip(examples.inputs, features, strict=True):
            if isinstance(column, Words) is (feature.words is None):
                kinds = ("text", "numbers") if feature.words else ("numbers", "text")
                raise DataError(
                    f"{examples.source.name}: column {column.name!r} holds {kinds[0]} in training, "
                    f"received {kinds[1]}"
                )


def fit_inputs(
    examples: Examples,
    rows: Rows,
    *,
    scale: str | float,
    missing: str | None,
    shape: Shape | None,
    dtype: str,
    filled: bool = True,
) -> Inputs:
    """Learns from the rows of the training part how inputs are prepared. ``filled``: whether the
    network will see what takes the place of a gap."""
    features = None
    if isinstance(examples.inputs, tuple):
        features = tuple(_feature(c, rows, examples.source) for c in examples.inputs)
        source_shape: Shape = (sum(feature.width for feature in features),)
        matrix = _encode(examples.inputs, features, None)
    else:
        source_shape = examples.inputs.shape[1:]
        matrix = examples.inputs.reshape(len(examples), -1)
    if scale == 0:
        raise OptionError("scale", "`scale: 0` would erase the inputs")
    columns = matrix.shape[1]
    found = None
    if missing == "mean" or scale in ("standard", "minmax"):
        found = _statistics(matrix, rows, filled)
    return Inputs(
        features,
        source_shape,
        reshaped(source_shape, shape),
        dtype,
        _fit_scaling(scale, found, features, columns),
        _fit_fill(found, features, missing),
    )


def reshaped(source_shape: Shape, shape: Shape | None) -> Shape:
    """The shape of an example under `shape:`; it must hold as many values."""
    if shape is None:
        return source_shape
    if math.prod(shape) != math.prod(source_shape):
        raise OptionError(
            "shape",
            f"`shape: {list(shape)}` holds {math.prod(shape):,} values, an example of the data has "
            f"{math.prod(source_shape):,}",
        )
    return shape


def _statistics(matrix: Array, rows: Rows, filled: bool) -> Statistics:
    def read(part: slice) -> Array:
        return matrix[part if rows is None else rows[part]].astype(np.float64)

    count = len(matrix) if rows is None else len(rows)
    return statistics(read, count, matrix.shape[1], filled=filled)


def _fit_scaling(
    scale: str | float,
    found: Statistics | None,
    features: Sequence[Feature] | None,
    columns: int,
) -> Scaling:
    scaling = fit_scaling(scale, found, columns)
    one_hot = np.repeat(
        [feature.words is not None for feature in features or ()],
        [feature.width for feature in features or ()],
    )
    if one_hot.any():
        scaling.offset[one_hot], scaling.factor[one_hot] = 0.0, 1.0
    return scaling


def _fit_fill(
    found: Statistics | None, features: Sequence[Feature] | None, missing: str | None
) -> Array | None:
    if missing != "mean" or found is None:
        return None
    if features is not None:
        empty = [f.name for f, least in zip(features, _first(found, features), strict=True)
                 if not np.isfinite(least)]  # fmt: skip
        if empty:
            raise OptionError(
                "missing",
                f"column {empty[0]!r} has no value in the training part, so it has no mean; leave "
                "it out with `features:`",
            )
    return found.mean


def _first(found: Statistics, features: Sequence[Feature]) -> Array:
    starts = np.cumsum([0, *(feature.width for feature in features[:-1])])
    return np.asarray(found.least[starts])


def _feature(column: Column, rows: Rows, source: Source) -> Feature:
    if isinstance(column, Numbers):
        return Feature(column.name, None)
    codes = column.codes if rows is None else column.codes[rows]
    words = sorted(column.words[code] for code in np.unique(codes[codes >= 0]).tolist())
    if len(words) > MOST_WORDS:
        raise OptionError(
            "features",
            f"{source.name}: column {column.name!r} holds {len(words)} different words, more "
            f"than {MOST_WORDS}; it looks like a name, not a kind: choose other columns with "
            "`features:`",
        )
    if not words:
        raise OptionError(
            "features", f"column {column.name!r} is empty; leave it out with `features:`"
        )
    return Feature(column.name, tuple(words))


def _encode(columns: Sequence[Column], features: Sequence[Feature], strict: Source | None) -> Array:
    """(examples, width) of float64, NaN where missing; ``strict`` refuses unknown words."""
    count = len(columns[0].values if isinstance(columns[0], Numbers) else columns[0].codes)
    matrix = np.empty((count, sum(feature.width for feature in features)))
    start = 0
    for column, feature in zip(columns, features, strict=True):
        into = matrix[:, start : start + feature.width]
        start += feature.width
        if isinstance(column, Numbers):
            np.copyto(into[:, 0], column.values)
            into[~np.isfinite(into)] = np.nan
        else:
            _encode_words(column, feature, into, strict)
    return matrix


def _encode_words(column: Words, feature: Feature, into: Array, strict: Source | None) -> None:
    assert feature.words is not None
    table = np.zeros((len(column.words) + 1, feature.width))
    table[-1] = np.nan  # code -1: missing
    places = {word: place for place, word in enumerate(feature.words)}
    for code, word in enumerate(column.words):
        if word in places:
            table[code, places[word]] = 1
        elif strict is not None:
            row = int(np.flatnonzero(column.codes == code)[0])
            near = did_you_mean(word, list(feature.words)) or (
                f"; known are {', '.join(feature.words[:8])}"
            )
            raise DataError(
                f"{strict.locate(row, column.name)}, a word that the training part does not "
                f"have{near}"
            )
    into[...] = table[column.codes]
