"""Reading the files of a run, which anybody may have put there: no pipe that never answers, no
device and no endless line, which would take all memory."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from errno import EFBIG, EINVAL
from pathlib import Path
from typing import BinaryIO

LARGEST = 1 << 25  # bytes of a line
# of a document: the preparation of data keeps some 40 bytes for each value of an example
LARGEST_DOCUMENT = 1 << 27


def open_file(path: Path) -> BinaryIO:
    """An ordinary file, or a link to one; raises OSError for what is none."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder gives its own error
        raise OSError(EINVAL, "is not an ordinary file", str(path))
    return path.open("rb")


def read_text(path: Path) -> str:
    """All of a document; raises OSError and UnicodeDecodeError."""
    with open_file(path) as file:
        content = file.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise OSError(EFBIG, f"holds more than {LARGEST_DOCUMENT >> 20} MB", str(path))
    return content.decode()


def lines(path: Path) -> Iterator[bytes]:
    """Each line with its end, up to one that is too long; raises OSError."""
    with open_file(path) as file:
        while (line := file.readline(LARGEST + 1)) and len(line) <= LARGEST:
            yield line
