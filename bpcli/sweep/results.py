"""The results of a sweep: a line a job in `results.jsonl`, written by one process as jobs end."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bpcli.errors import CheckpointError
from bpcli.sweep.axes import Point, coordinates
from bpcli.sweep.jobs import Job
from bpcli.training.files import could_not_write, write_atomic
from bpcli.training.json_lines import JsonLines
from bpcli.training.reading import lines

_SYNC_SECONDS = 5.0  # what a power failure can take back at most


class Results:
    """A folder with `results.jsonl`, which only grows; a context while a sweep writes to it.

    Of what stands there the expected jobs are looked at, others are kept. Entering raises
    WriteError where the folder cannot be written to, CheckpointError where another sweep does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "results.jsonl"
        self._lines = JsonLines(self.path, "job")
        self._lock: int | None = None
        self._synced = 0.0
        self._good: set[str] = set()  # keys of jobs that ended well
        self._expected: dict[str, tuple[int, Point]] = {}  # jobs by their keys

    def __enter__(self) -> Results:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._repair()
        except OSError as error:
            self._release_lock()
            raise could_not_write(self.folder, error) from None
        # failed jobs do not count: they are tried again
        self._good = {line["key"] for line in self.lines() if "error" not in line}
        self._synced = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._lines.sync()
        finally:
            self._lines.close()
            self._release_lock()

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not a POSIX system
            return
        self._lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release_lock()
            raise CheckpointError(
                f"{self.folder}: another sweep is writing here; wait for it or choose another "
                "folder with --out"
            ) from None

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _repair(self) -> None:
        """Cuts a last line that was torn, or ends it where only its end is missing."""
        if not self.path.exists():
            return
        with self.path.open("r+b") as file:
            last, start = b"", 0
            for line in file:
                last, start = line, file.tell() - len(line) if line[-1:] != b"\n" else start
            if not last or last.endswith(b"\n"):
                return
            if _parsed(last) is None:
                file.truncate(start)
            else:
                file.write(b"\n")

    def expect(self, job: Job) -> bool:
        """Makes a job one of those that are shown; False where its like was expected already."""
        return self._expected.setdefault(job.key, (job.number, job.point))[0] == job.number

    def has(self, job: Job) -> bool:
        """Whether the job ended well before."""
        return job.key in self._good

    def append(self, line: dict[str, Any]) -> None:
        """Writes a line, past any buffer of this process. Raises WriteError."""
        self._lines.append(line)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._lines.sync()
            self._synced = time.monotonic()

    def lines(self) -> Iterator[dict[str, Any]]:
        """Each job's line, one by one; what is not a line of ours is passed over."""
        try:
            for line in lines(self.path):
                parsed = _parsed(line)
                if parsed is not None:
                    yield parsed
        except FileNotFoundError:
            return

    def latest(self) -> list[dict[str, Any]]:
        """The newest line of each expected job, in the order of the jobs, with the numbers and
        settings that they have now: another sweep may have reached the same spec otherwise."""
        newest = {
            line["key"]: line | {"job": job[0], "settings": coordinates(job[1])}
            for line in self.lines()
            if (job := self._expected.get(line["key"])) is not None
        }
        return sorted(newest.values(), key=lambda line: int(line["job"]))


def write_csv(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """`results.csv`, a row a job: settings, then figures. Raises WriteError."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "results.csv"
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
    """The line if it is one of ours."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    kinds = {"key": str, "job": int, "settings": dict}
    ours = all(isinstance(parsed.get(name), kind) for name, kind in kinds.items())
    return parsed if ours else None
