"""Files of one JSON object a line, which another process may read while they grow."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from bpcli.training.files import could_not_write, to_json
from bpcli.training.reading import lines

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_APPEND |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class Kept(NamedTuple):
    """What a file of lines holds after :meth:`JsonLines.cut`."""

    last: int = 0  # the key of its last line, 0 if there is none
    lines: int = 0
    strange: tuple[int, ...] = ()  # the numbers, from 1, of those between that are not ours


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
                self._descriptor = os.open(self.path, _APPEND, 0o666)
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

    def cut(self, last: int) -> Kept:
        """Removes what follows the last line whose key is not above ``last``.

        That is what was written after a checkpoint, or torn by a crash. Lines before it that are
        not ours stay, as somebody else wrote them. Raises WriteError.
        """
        self.close()
        try:
            if not self.path.exists():
                return Kept()
            kept, size = self._kept(last)
            if size != self.path.stat().st_size:
                os.truncate(self.path, size)
        except OSError as error:
            raise could_not_write(self.path, error) from None
        return kept

    def _kept(self, last: int) -> tuple[Kept, int]:
        """(what is kept, the size of the file up to its end)."""
        kept, size, end = Kept(), 0, 0
        strange: list[int] = []
        for number, line in enumerate(lines(self.path), 1):
            found, end = _key(line, self.key), end + len(line)
            if found is not None and found > last:
                break
            if found is None or found <= kept.last:
                strange.append(number)
            else:
                kept, size = Kept(found, kept.lines + 1, tuple(strange)), end
        return kept, size


def _key(line: bytes, name: str) -> int | None:
    """The line's key; None where the line is torn or not one of ours."""
    if not line.endswith(b"\n"):
        return None
    try:
        key = json.loads(line)[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return key if isinstance(key, int) else None
