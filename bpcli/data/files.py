"""Files that are only read: found, opened with or without gzip, limited, hashed.

A small file can unpack to more than any memory holds. Whatever is unpacked is therefore counted,
and refused where it grows beyond what honest data grow to.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import IO, cast

from bpcli.errors import DataError
from bpcli.memory import format_bytes, physical_memory

MEBIBYTE = 1 << 20
MOST_EXPANSION = 200  # unpacked bytes a packed one; tables and images stay below 50
FREE_EXPANSION = 64 * MEBIBYTE  # always allowed: it hurts nobody
FREE_TABLE_EXPANSION = MEBIBYTE  # the same of tables: reading a mebibyte takes a second at worst
MOST_TABLE_BYTES = 2 << 30
MOST_LINE = 16 * MEBIBYTE  # characters
_HASHED_WHOLE = 1 << 30  # bytes; of larger files the digest takes samples
_GZIP_MAGIC = b"\x1f\x8b"


def existing(path: Path) -> Path:
    """The path if a file is there; raises DataError with the names that are near it."""
    if path.is_file():
        return path
    if path.exists():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise DataError(f"{path}: expected a file, this is {kind}")
    if not path.parent.is_dir():
        raise DataError(f"{path}: no such file, there is no folder {path.parent}")
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    raise DataError(f"{path}: no such file" + (did_you_mean(path.name, names) or _listed(names)))


def did_you_mean(name: str, names: list[str]) -> str:
    """'; did you mean ...?' or nothing."""
    near = get_close_matches(name, names, 3, 0.6) or [n for n in names if n.startswith(name)][:3]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _listed(names: list[str]) -> str:
    if not names:
        return "; its folder holds no files"
    return "; its folder holds " + ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into a DataError that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text (byte {error.object[error.start]:#04x}); "
            "save it as UTF-8 and try again"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: the file is damaged or cut short ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def is_packed(path: Path) -> bool:
    """Whether the file is gzip, by its first bytes, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it is gzip."""
    return cast("IO[bytes]", gzip.open(path)) if is_packed(path) else path.open("rb")


def check_expansion(path: Path, packed: int, unpacked: int, free: int = FREE_EXPANSION) -> None:
    """Refuses what unpacks to far more than data do."""
    if unpacked > max(free, MOST_EXPANSION * packed):
        raise DataError(
            f"{path}: refused, {packed:,} bytes unpack to {unpacked:,} or more, over "
            f"{MOST_EXPANSION} times as many; unpack the file yourself if it can be trusted"
        )


def check_memory(path: Path, needed: int) -> None:
    """Refuses an array that this machine's memory cannot hold."""
    available = physical_memory()
    if needed > available:
        raise DataError(
            f"{path}: needs {format_bytes(needed)} of memory, this machine has "
            f"{format_bytes(available)}; for data larger than memory use two .npy files with "
            "`inputs:` and `targets:`"
        )


def check_table_size(path: Path) -> None:
    """Refuses a table that is too large, before any of it is parsed: unpacking is quick, that is
    not."""
    packed = size = path.stat().st_size
    if is_packed(path):
        size = 0
        with open_bytes(path) as file:
            while size <= MOST_TABLE_BYTES and (block := file.read(MEBIBYTE)):
                size += len(block)
                check_expansion(path, packed, size, FREE_TABLE_EXPANSION)
    if size > MOST_TABLE_BYTES:
        raise DataError(
            f"{path}: more than {MOST_TABLE_BYTES:,} bytes of text; convert large data to "
            "two .npy files and name them with `inputs:` and `targets:`"
        )


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file with their ends, in UTF-8 with or without a byte order mark."""
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="") as text:
        for number, line in enumerate(iter(lambda: text.readline(MOST_LINE), ""), 1):
            if len(line) == MOST_LINE or "\0" in line:
                reason = "not a text file" if "\0" in line else f"over {MOST_LINE:,} characters"
                raise DataError(f"{path}:{number}: {reason}; expected a table of columns")
            yield line


def add_to_digest(digest: hashlib._Hash, path: Path) -> None:
    """Adds the file's bytes; of a file beyond a gibibyte its size and 64 samples of a mebibyte."""
    with reading(path), path.open("rb") as file:
        size = path.stat().st_size
        if size <= _HASHED_WHOLE:
            while block := file.read(MEBIBYTE):
                digest.update(block)
            return
        digest.update(str(size).encode())
        for sample in range(64):
            file.seek(sample * (size - MEBIBYTE) // 63)
            digest.update(file.read(MEBIBYTE))
