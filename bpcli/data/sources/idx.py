"""IDX, the format of MNIST: a magic number, the sizes of the axes, the values (LeCun et al.)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from bpcli.data.files import (
    check_expansion,
    check_memory,
    existing,
    is_packed,
    open_bytes,
    reading,
)
from bpcli.data.sources.source import (
    Array,
    Examples,
    Header,
    RawTargets,
    Shape,
    Source,
    TargetHeader,
    same_length,
)
from bpcli.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 32  # as NumPy had it up to version 2
_WORKING_BYTES = 4


class Idx(Source):
    """An IDX file of images and one of labels; a grey image becomes (rows, columns, 1)."""

    kind = "IDX files"

    def __init__(self, images: Path, labels: Path | None) -> None:
        self.images = existing(images)
        self.labels = None if labels is None else existing(labels)

    def files(self) -> tuple[Path, ...]:
        return (self.images,) if self.labels is None else (self.images, self.labels)

    def header(self) -> Header:
        shape, _ = idx_header(self.images)
        labels = self._read_labels()  # a byte an image: as quick as a header
        _check_count(shape[0], len(labels), self.images)
        classes = tuple(map(str, np.unique(labels).tolist()))
        return Header(_channels_last(shape[1:]), TargetHeader((), True, classes), shape[0])

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        inputs = read_idx(self.images)
        inputs = inputs.reshape(len(inputs), *_channels_last(inputs.shape[1:]))
        if not targets:
            return Examples(inputs, None, self)
        labels = self._read_labels()
        same_length(inputs, labels, str(self.images))
        return Examples(inputs, RawTargets(("label",), labels, labels=True), self)

    def _read_labels(self) -> Array:
        assert self.labels is not None
        shape, _ = idx_header(self.labels)
        if len(shape) != 1:
            raise DataError(
                f"{self.labels}: expected a label an image, received the shape {shape}; "
                "is this the file of the images?"
            )
        return read_idx(self.labels)


def _check_count(images: int, labels: int, path: Path) -> None:
    if images != labels:
        raise DataError(
            f"{path}: {images:,} images and {labels:,} labels; each image needs exactly one label"
        )


def _channels_last(shape: Shape) -> Shape:
    return (*shape, 1) if len(shape) == 2 else shape or (1,)


def idx_header(path: Path) -> tuple[Shape, np.dtype[Any]]:
    """(shape, dtype) that the file declares, if it can hold that much."""
    with reading(path), open_bytes(path) as file:
        return _read_header(path, file)


def read_idx(path: Path) -> Array:
    """The array of an IDX file, plain or gzipped, in the byte order of this machine."""
    with reading(path), open_bytes(path) as file:
        shape, dtype = _read_header(path, file)
        array = np.empty(shape, dtype)
        held = _fill(file, memoryview(array.data).cast("B"))
        if held != array.nbytes or file.read(1):
            raise DataError(
                f"{path}: declares the shape {shape}, {array.nbytes:,} bytes, but holds "
                f"{'more' if held == array.nbytes else f'{held:,}'}; damaged, or not an IDX file"
            )
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(path: Path, file: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not magic[3]:
        raise DataError(
            f"{path}: not an IDX file, it starts with the bytes {magic.hex(' ') or 'of nothing'}"
        )
    if magic[3] > _MOST_AXES:
        raise DataError(f"{path}: declares {magic[3]} axes, arrays have at most {_MOST_AXES}")
    sizes = file.read(4 * magic[3])
    shape = tuple(np.frombuffer(sizes[: len(sizes) // 4 * 4], ">u4").tolist())
    if len(shape) != magic[3] or 0 in shape:
        raise DataError(f"{path}: expected an example or more, received the shape {shape}")
    dtype = np.dtype(DTYPES[magic[2]])
    size, stored = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if not is_packed(path) and stored - file.tell() != size:
        raise DataError(
            f"{path}: declares the shape {shape}, {size:,} bytes, but holds "
            f"{stored - file.tell():,}; the file is damaged or cut short"
        )
    check_expansion(path, stored, size)
    check_memory(path, size + math.prod(shape) * _WORKING_BYTES)
    return shape, dtype


def _fill(file: IO[bytes], view: memoryview) -> int:
    """Reads until the view is full or the file ends; how many bytes were read."""
    done = 0
    while done < len(view):
        block = file.read(min(len(view) - done, 1 << 20))
        if not block:
            break
        view[done : done + len(block)] = block
        done += len(block)
    return done
