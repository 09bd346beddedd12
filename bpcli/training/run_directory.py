"""The run directory: everything that a run leaves behind, `runs/NAME/NUMBER/`."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from bpcli.errors import CheckpointError, DataError
from bpcli.training import checkpoint, records
from bpcli.training.checkpoint import Tree
from bpcli.training.files import could_not_write, sweep, to_json, write_atomic
from bpcli.training.json_lines import JsonLines
from bpcli.training.reading import LARGEST_DOCUMENT, read_text

_FINISHED = ("finished", "early_stopping")
_LONGEST_NAME = 100  # bytes; file systems allow 255, paths not always more


class RunDirectory:
    """One run's folder. Methods that write raise WriteError, those that read CheckpointError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.last = self.checkpoints / "last.npz"
        self.previous = self.checkpoints / "previous.npz"
        self.best = self.checkpoints / "best.npz"
        self.spec = path / "spec.yaml"
        self.environment = path / "environment.json"
        self.preparation = path / "preparation.json"
        self.summary = path / "summary.json"
        self.metrics = JsonLines(path / "metrics.jsonl", "epoch")
        self.gradients = JsonLines(path / "gradients.jsonl", "step")
        self._lock: int | None = None

    @classmethod
    def create(cls, root: Path, name: str) -> RunDirectory:
        """A new folder `root/NAME/NUMBER`, the number one above the highest there is.

        Two processes never get the same one.
        """
        parent = root / safe_name(name)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = max(_numbers(parent), default=0) + 1
            while True:
                try:
                    (parent / str(number)).mkdir()
                    break
                except FileExistsError:
                    number += 1
            run = cls(parent / str(number))
            run.checkpoints.mkdir()
        except OSError as error:
            raise could_not_write(parent, error) from None
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run; `runs/NAME` stands for its newest."""
        run = cls(path)
        try:
            numbers = [] if run.spec.exists() or not path.is_dir() else _numbers(path)
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror or error}") from None
        if numbers:
            run = cls(path / str(max(numbers)))
        if not run.spec.is_file():
            raise CheckpointError(
                f"{path}: expected a run directory with a spec.yaml, as `bpcli train` leaves it "
                "in runs/NAME/NUMBER"
            )
        return run

    def begin(
        self, spec_text: str, environment: dict[str, Any], preparation: dict[str, Any]
    ) -> None:
        """Writes what a run is, before its first step; raises DataError where it could not be
        read again."""
        kept = _json(preparation)
        if len(kept) > LARGEST_DOCUMENT:
            raise DataError(
                f"what a run keeps of its inputs takes {len(kept) >> 20} MB here, of which at most "
                f"{LARGEST_DOCUMENT >> 20} MB are read again; choose columns with `features:`"
            )
        write_atomic(self.environment, _json(environment))
        write_atomic(self.preparation, kept)
        write_atomic(self.spec, spec_text.encode())

    def discard(self) -> None:
        """Removes a run that could not start, and the folder of its name if that is empty then."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self.path.parent.rmdir()

    def write_summary(self, summary: dict[str, Any]) -> None:
        write_atomic(self.summary, _json(summary))

    def read_spec(self) -> str:
        try:
            return read_text(self.spec)
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{self.spec}: could not be read: {_reason(error)}") from None

    def read_environment(self) -> dict[str, Any]:
        return _read(self.environment, records.ENVIRONMENT)

    def read_preparation(self) -> dict[str, Any]:
        return _read(self.preparation, {})

    def read_summary(self) -> dict[str, Any] | None:
        """None where the run has not ended, or was killed."""
        return _read(self.summary, records.SUMMARY) if self.summary.exists() else None

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        summary = self.read_summary()
        return summary is not None and summary.get("reason") in _FINISHED

    def save_last(self, tree: Tree) -> None:
        """The state to go on from; the one before is kept. What was logged so far is made safe
        first, so that a checkpoint never knows of lines that are lost."""
        self.metrics.sync()
        self.gradients.sync()
        checkpoint.save(self.last, tree, previous=self.previous)

    def save_best(self, tree: Tree) -> None:
        checkpoint.save(self.best, tree)

    def restart(self) -> bool:
        """Gets ready to begin anew where it was killed before its first checkpoint; False where
        there are checkpoints. Raises CheckpointError where there were."""
        if self.last.exists() or self.previous.exists():
            return False
        logs = (self.metrics.path, self.gradients.path)
        if any(log.exists() and log.stat().st_size for log in logs):
            raise CheckpointError(
                f"{self.checkpoints}: the checkpoints of this run are gone, and there is nothing "
                "else to go on from; put them back, or start a new run"
            )
        with suppress(OSError):  # saving says what is wrong
            self.checkpoints.mkdir(exist_ok=True)
        return True

    def load_last(self) -> tuple[Tree, list[str]]:
        """The newest good checkpoint to go on from, and a note for each that was passed over."""
        problems: dict[Path, str] = {}
        for path in (self.last, self.previous):
            try:
                tree = checkpoint.load(path)
                used = "the checkpoint before it is used"
                return tree, [f"{problem}; {used}" for problem in problems.values()]
            except CheckpointError as error:
                problems[path] = str(error)
        damaged = (problem for path, problem in problems.items() if path.exists())
        raise CheckpointError(next(damaged, problems[self.last]))

    def load_weights(self) -> tuple[Tree, list[str]]:
        """{"network", "epoch", "steps"} of the best checkpoint, or the last where none is best."""
        notes: list[str] = []
        if self.best.exists():
            try:
                return checkpoint.load(self.best), notes
            except CheckpointError as error:
                notes.append(f"{error}; the best weights are taken from {self.last.name}")
        tree, more = self.load_last()
        best = tree.get("best")
        return (best if isinstance(best, dict) else tree), notes + more

    def verify(self) -> list[str]:
        """What is wrong with the checkpoints of a run that has ended; raises CheckpointError where
        no good one is left."""
        _, notes = self.load_weights()
        try:
            checkpoint.load(self.last)
        except CheckpointError as error:
            note = str(error)
            notes += [note] if not any(known.startswith(note) for known in notes) else []
        return notes

    def retire_damaged(self) -> None:
        """Puts a damaged last checkpoint aside, so that it never takes the good one's place."""
        try:
            checkpoint.load(self.last)
        except CheckpointError:
            if self.last.exists():
                os.replace(self.last, self.last.with_suffix(".damaged"))

    def lock(self) -> None:
        """Keeps other processes from training in this folder until :meth:`release`, or the end of
        this one; raises CheckpointError where another has it."""
        if self._lock is not None:
            return
        self._refuse_links()
        try:
            import fcntl
        except ImportError:  # not a POSIX system
            return
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise could_not_write(self.path, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CheckpointError(
                f"{self.path}: another process is training in this run; wait for it or stop it"
            ) from None
        except OSError:  # a file system without locks
            pass
        self._lock = descriptor
        sweep(self.path)
        sweep(self.checkpoints)

    def _refuse_links(self) -> None:
        """What is changed in its place must be this run's own; raises CheckpointError."""
        for path in (self.checkpoints, self.metrics.path, self.gradients.path):
            if path.is_symlink():
                raise CheckpointError(
                    f"{path}: is a symbolic link, and training would change what it points to; "
                    "put that in its place, or start a new run"
                )

    def release(self) -> None:
        self.metrics.close()
        self.gradients.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def safe_name(name: str) -> str:
    """The name as one part of a path, whatever it holds: letters, digits, `_`, `-` and `.`."""
    safe = re.sub(r"[^\w.-]+", "_", name).lstrip(".-")
    while len(safe.encode()) > _LONGEST_NAME:
        safe = safe[:-1]
    return safe.rstrip(".") or "run"


def _numbers(folder: Path) -> list[int]:
    names = (entry.name for entry in os.scandir(folder))
    return [int(name) for name in names if re.fullmatch(r"[1-9][0-9]{0,8}", name)]


def _json(document: dict[str, Any]) -> bytes:
    return (to_json(document, indent=2) + "\n").encode()


def _read(path: Path, shape: Any) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file; the run is not complete") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: could not be read: {_reason(error)}") from None
    problem = records.problem(document, shape)
    if problem is not None:
        raise CheckpointError(f"{path}: {problem}")
    assert isinstance(document, dict)
    return document


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
