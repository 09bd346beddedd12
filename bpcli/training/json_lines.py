"""Files of one JSON object a line, which another process may read while they grow."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bpcli.training.files import could_not_write, to_json
from bpcli.training.reading import lines


class JsonLines:
    """Appends lines to a file; ``key`` is the integer that rises from line to line."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self._descriptor: int | None = None
        self._synced = True

    def append(self, line: dict[str, Any]) -> None:
        """Writes a line, past any buffer of this process; raises WriteError."""
        rest = memoryview(f"{to_json(line)}\n".encode())
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
                self._descriptor = os.open(self.path, flags, 0o666)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise could_not_write(self.path, error) from None
        self._synced = False

    def sync(self) -> None:
        """Makes the lines so far last through a power failure; raises WriteError."""
        if self._descriptor is None or self._synced:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise could_not_write(self.path, error) from None
        self._synced = True

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def cut(self, last: int) -> int:
        """Keeps the whole lines whose keys rise up to ``last``, removes what follows them.

        That is what was written after a checkpoint, or torn by a crash. Returns the key of the
        last line kept, 0 if none is; raises WriteError.
        """
        self.close()
        try:
            if not self.path.exists():
                return 0
            kept, size = self._kept(last)
            if size != self.path.stat().st_size:
                os.truncate(self.path, size)
        except OSError as error:
            raise could_not_write(self.path, error) from None
        return kept

    def _kept(self, last: int) -> tuple[int, int]:
        """(the key of the last good line, the size of the file up to its end)."""
        key = size = 0
        for line in lines(self.path):
            found = _key(line, self.key)
            if found is None or not key < found <= last:
                break
            key, size = found, size + len(line)
        return key, size


def _key(line: bytes, name: str) -> int | None:
    """The line's key; None where the line is torn or not one of ours."""
    if not line.endswith(b"\n"):
        return None
    try:
        key = json.loads(line)[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return key if isinstance(key, int) else None
