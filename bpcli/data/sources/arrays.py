"""NumPy's file formats: NPZ archives and pairs of memory-mapped .npy files.

Headers are judged before anything is read: no pickled objects, no array that its file cannot
hold, none that memory cannot hold.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from bpcli.data.files import check_expansion, check_memory, did_you_mean, existing, reading
from bpcli.data.sources.source import (
    Array,
    Examples,
    Header,
    OptionError,
    RawTargets,
    Shape,
    Source,
    TargetHeader,
    same_length,
)
from bpcli.errors import DataError

_NUMBERS, _TEXT = "buif", "US"  # the kinds of dtypes that inputs, and targets too, may have
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_WORKING_BYTES = 4  # a value of the smaller dtype that a network trains in


class ArrayHeader(NamedTuple):
    """What an array file says of itself."""

    shape: Shape
    dtype: np.dtype[Any]


class Npz(Source):
    """A NumPy archive with an array of inputs and one of targets."""

    kind = "an .npz archive"

    def __init__(self, path: Path, *, inputs: str = "x", targets: str = "y") -> None:
        self.path = existing(path)
        self.keys = {"inputs": inputs, "targets": targets}

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def header(self) -> Header:
        return _header(self._array_header("inputs"), self._array_header("targets"), self._where)

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        inputs = _by_example(self._array("inputs"))
        if not targets:
            return Examples(inputs, None, self)
        values = self._array("targets")
        same_length(inputs, values, self._where)
        return Examples(inputs, raw_targets(self.keys["targets"], values), self)

    @property
    def _where(self) -> str:
        return str(self.path)

    def _array(self, option: str) -> Array:
        self._array_header(option)  # judged first
        with (
            reading(self.path),
            _silence(),
            zipfile.ZipFile(self.path) as archive,
            archive.open(self._member(option)) as file,
        ):
            try:
                return np.asarray(npy.read_array(file, allow_pickle=False))
            except ValueError as error:  # less than its headers say
                raise DataError(f"{self.path}: damaged or cut short ({error})") from None

    def _array_header(self, option: str) -> ArrayHeader:
        place = f"{self.path}: array {self.keys[option]!r}"
        member = self._member(option)
        if member.compress_type not in _METHODS:
            raise DataError(
                f"{place}: packed by a method that NumPy does not use; save it again with "
                "np.savez or np.savez_compressed"
            )
        packed = min(member.compress_size, self.path.stat().st_size)  # whatever it says
        check_expansion(self.path, packed, member.file_size)
        try:
            with (
                reading(self.path),
                zipfile.ZipFile(self.path) as archive,
                archive.open(member) as file,
            ):
                header = read_header(file, place, option, member.file_size)
        except (RuntimeError, ValueError) as error:  # encrypted, or its place is none
            raise DataError(f"{place}: cannot be unpacked ({error})") from None
        values = math.prod(header.shape)
        check_memory(self.path, values * (header.dtype.itemsize + _WORKING_BYTES))
        return header

    def _member(self, option: str) -> zipfile.ZipInfo:
        key = self.keys[option]
        found = [member for member in self._members if member.filename == f"{key}.npy"]
        if len(found) == 1:
            return found[0]
        names = [member.filename.removesuffix(".npy") for member in self._members]
        if found:
            raise DataError(f"{self.path}: holds {len(found)} arrays called {key!r}")
        near = did_you_mean(key, names) or f"; it holds {', '.join(names) or 'nothing'}"
        raise OptionError(
            option, f"{self.path}: no array {key!r}{near}; name the right one with `{option}:`"
        )

    @cached_property
    def _members(self) -> list[zipfile.ZipInfo]:
        if not zipfile.is_zipfile(self.path):
            raise DataError(f"{self.path}: not an .npz archive, or a damaged one")
        try:
            with reading(self.path), zipfile.ZipFile(self.path) as archive:
                return archive.infolist()
        except NotImplementedError as error:  # of a version that there is not
            raise DataError(
                f"{self.path}: not an .npz archive, or a damaged one ({error})"
            ) from None


class NpyPair(Source):
    """Two .npy files that stay on disk: only what a batch needs is read."""

    kind = "two .npy files"

    def __init__(self, inputs: Path, targets: Path | None) -> None:
        self.paths = {"inputs": existing(inputs)}
        if targets is not None:
            self.paths["targets"] = existing(targets)

    def files(self) -> tuple[Path, ...]:
        return tuple(self.paths.values())

    def header(self) -> Header:
        headers = {option: self._array_header(option) for option in self.paths}
        return _header(headers["inputs"], headers["targets"], str(self.paths["inputs"]))

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        inputs = self._mapped("inputs")
        if not targets:
            return Examples(inputs, None, self)
        values = self._mapped("targets")
        same_length(inputs, values, str(self.paths["inputs"]))
        return Examples(inputs, raw_targets("targets", values), self)

    def _array_header(self, option: str) -> ArrayHeader:
        path = self.paths[option]
        with reading(path), path.open("rb") as file:
            return read_header(file, str(path), option, path.stat().st_size)

    def _mapped(self, option: str) -> Array:
        self._array_header(option)
        with reading(self.paths[option]), _silence():
            mapped = npy.open_memmap(self.paths[option], mode="r")
        return _by_example(mapped) if option == "inputs" else mapped


@contextmanager
def _silence() -> Iterator[None]:
    """NumPy warns of headers that are old, or damaged so that they look old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(file: IO[bytes], place: str, option: str, size: int) -> ArrayHeader:
    """The header of an .npy file that is ``size`` bytes long; the file is then at its data."""
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        with _silence():
            shape, _, dtype = read(file)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, TokenError):
        raise DataError(f"{place}: not a NumPy array, or a damaged one") from None
    allowed = _NUMBERS + (_TEXT if option == "targets" else "")
    if dtype.kind not in allowed:
        what = "pickled objects" if dtype.hasobject else f"values of dtype {dtype}"
        raise DataError(f"{place}: expected numbers, received {what}; they are not read")
    if not dtype.itemsize:
        raise DataError(f"{place}: expected values, received texts without a character")
    if not shape or min(shape) < 1:
        raise DataError(f"{place}: expected an example a row, received the shape {shape}")
    declared, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != held:
        raise DataError(
            f"{place}: declares shape {shape} of {dtype}, {declared:,} bytes, but holds {held:,}; "
            "the file is damaged or cut short"
        )
    return ArrayHeader(shape, dtype)


def _header(inputs: ArrayHeader, targets: ArrayHeader, place: str) -> Header:
    if inputs.shape[0] != targets.shape[0]:
        raise DataError(
            f"{place}: {inputs.shape[0]:,} inputs and {targets.shape[0]:,} targets; "
            "each example needs exactly one target"
        )
    shape = targets.shape[1:]
    labels = targets.dtype.kind in _TEXT
    columns = TargetHeader(() if shape == (1,) else shape, labels)
    return Header(inputs.shape[1:] or (1,), columns, inputs.shape[0])


def _by_example(inputs: Array) -> Array:
    """Inputs with at least one axis besides that of the examples."""
    return inputs if inputs.ndim > 1 else inputs.reshape(-1, 1)


def raw_targets(name: str, values: Array) -> RawTargets:
    """Targets of an array: a name a column, text as codes of its words."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.reshape(-1)
    columns = values.shape[1] if values.ndim == 2 else 1
    names = (name,) if columns == 1 else tuple(f"{name}_{n}" for n in range(columns))
    if values.dtype.kind not in _TEXT:
        return RawTargets(names, values)
    words, codes = np.unique(values, return_inverse=True)
    texts = [
        w.decode("utf-8", "backslashreplace") if isinstance(w, bytes) else str(w) for w in words
    ]
    return RawTargets(names, codes.reshape(values.shape), tuple(texts), labels=True)
