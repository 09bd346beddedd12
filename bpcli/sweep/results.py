"""The results of a sweep: a line a job in `results.jsonl`, written by one process as jobs end."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bpcli.errors import CheckpointError
from bpcli.training.files import could_not_write, write_atomic
from bpcli.training.json_lines import JsonLines


class Results:
    """A folder with `results.jsonl`. Raises WriteError where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "results.jsonl"
        self._lines = JsonLines(self.path, "job")
        self._lock: int | None = None

    def open(self) -> set[str]:
        """The keys of the jobs that are recorded; a torn last line is cut off.

        Failed jobs do not count: they are tried again. Raises CheckpointError where another
        process is writing here.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._repair()
        except OSError as error:
            raise could_not_write(self.folder, error) from None
        return {line["key"] for line in self.lines() if "error" not in line}

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not a POSIX system
            return
        self._lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"{self.folder}: another sweep is writing here; wait for it or choose another "
                "folder with --out"
            ) from None

    def _repair(self) -> None:
        if not self.path.exists():
            return
        good = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") or _parsed(line) is None:
                    break
                good += len(line)
        if good != self.path.stat().st_size:
            os.truncate(self.path, good)

    def append(self, line: dict[str, Any]) -> None:
        self._lines.append(line)

    def close(self) -> None:
        self._lines.sync()
        self._lines.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lines(self) -> Iterator[dict[str, Any]]:
        """Each job's line, one by one; what is not a line of ours is passed over."""
        try:
            with self.path.open("rb") as file:
                for line in file:
                    parsed = _parsed(line)
                    if parsed is not None:
                        yield parsed
        except FileNotFoundError:
            return

    def latest(self) -> list[dict[str, Any]]:
        """The newest line of each job, in the order of the jobs."""
        newest = {line["key"]: line for line in self.lines()}
        return sorted(newest.values(), key=lambda line: int(line["job"]))

    def write_csv(self) -> Path:
        """`results.csv`, a row a job: settings, then figures."""
        rows = [flat(line) for line in self.latest()]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = self.folder / "results.csv"
        write_atomic(path, text.getvalue().encode())
        return path


def flat(line: dict[str, Any]) -> dict[str, Any]:
    """A result line as one level: settings by their path, figures by dotted names."""
    row: dict[str, Any] = {"job": line["job"], **line["settings"]}
    for name, value in line.items():
        if name in ("key", "job", "settings"):
            continue
        if isinstance(value, dict):
            row |= {f"{name}.{inner}": item for inner, item in value.items()}
        else:
            row[name] = value
    return row


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    ours = isinstance(parsed, dict) and {"key", "job", "settings"} <= parsed.keys()
    return parsed if ours else None
