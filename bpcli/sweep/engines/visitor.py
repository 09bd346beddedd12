"""What happens on a Dask worker: it is compared with the others, given what it lacks, and then runs
its jobs."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from bpcli.data.files import add_to_digest
from bpcli.sweep.jobs import Job

_SAME = {
    "bpcli": "bpcli version",
    "numpy": "NumPy version",
    "core_type": "BLAS core type",
    "threads": "number of BLAS threads",
}


class File(NamedTuple):
    """A file as it is where the sweep was started."""

    path: str
    size: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> File:
        return cls(str(path.resolve()), path.stat().st_size, _digest(path))

    def is_at(self, path: Path) -> bool:
        return path.is_file() and path.stat().st_size == self.size and _digest(path) == self.digest


class Shipment(NamedTuple):
    """What all jobs of a sweep need on a worker: the same environment, files, layers."""

    environment: dict[str, Any]
    files: tuple[File, ...]
    layers: tuple[str, bytes] | None  # the name and the content of the layers file

    @classmethod
    def of(
        cls, environment: dict[str, Any], files: Sequence[Path], layers_file: Path | None
    ) -> Shipment:
        layers = (layers_file.name, layers_file.read_bytes()) if layers_file is not None else None
        return cls(environment, tuple(map(File.of, files)), layers)


class Reply(NamedTuple):
    """What a worker says to a message: the jobs' lines, or why it ran none."""

    worker: str
    lines: list[dict[str, Any]]
    refusal: str = ""
    lacks: tuple[File, ...] = ()


def environment() -> dict[str, Any]:
    """What decides the bits of a process."""
    import numpy as np

    import bpcli
    from bpcli.training.environment import blas

    return {"bpcli": bpcli.__version__, "numpy": np.__version__, **blas()}


def difference(found: dict[str, Any], wanted: dict[str, Any], what: Iterable[str] = _SAME) -> str:
    """Why an environment computes other bits; nothing where it computes the same."""
    return "; ".join(
        f"its {_SAME[key]} is {found[key]}, {wanted[key]} is wanted"
        for key in what
        if found[key] != wanted[key]
    )


def pack(jobs: list[Job]) -> bytes:
    """Jobs for the worker alone to unpack, by Dask's own protocol: the scheduler need not know
    their classes."""
    packed: bytes = _protocol().dumps(jobs)
    return packed


def _protocol() -> Any:
    return import_module("distributed.protocol.pickle")


_settled: list[Any] = []  # the last shipment, if this worker has all of it
_copies: dict[File, str] = {}  # where files are here


def visit(shipment: Shipment, packed: bytes) -> Reply:
    """Runs the jobs, unless this worker differs or lacks something."""
    from bpcli.sweep import work

    refusal = difference(environment(), shipment.environment)
    if refusal:
        return Reply(_address(), [], refusal)
    known = (shipment.files, shipment.layers)
    if known not in _settled:
        lacks = tuple(file for file in shipment.files if not _is_here(file))
        if lacks:
            return Reply(_address(), [], lacks=lacks)
        _load_layers(shipment.layers)
        work.forget_data()  # a file may have changed since an earlier sweep
        _settled[:] = [known]
    work.copies = {file.path: _copies[file] for file in shipment.files}
    return Reply(_address(), work.run_all(_protocol().loads(packed)))


def receive(file: File, content: bytes, dask_worker: Any) -> None:
    """Keeps a file for as long as this worker lives; Dask fills the worker in."""
    folder = _folder(dask_worker) / file.digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(file.path).name
    path.write_bytes(content)
    _copies[file] = str(path)


def _is_here(file: File) -> bool:
    if file not in _copies and file.is_at(Path(file.path)):
        _copies[file] = file.path
    return file in _copies


def _load_layers(layers: tuple[str, bytes] | None) -> None:
    """Makes the user's classes known by the name that they are packed under."""
    from bpcli.layers_file import load_layers

    if layers is not None:
        name, content = layers
        folder = Path(tempfile.mkdtemp(prefix="layers-", dir=_folder(_worker())))
        (folder / name).write_bytes(content)
        load_layers(folder / name)


def _folder(worker: Any) -> Path:
    """Dask removes it with the worker."""
    folder = Path(worker.local_directory) / "bpcli"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _worker() -> Any:
    """The one that runs this task."""
    return import_module("distributed").get_worker()


def _address() -> str:
    return str(_worker().address)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    add_to_digest(digest, path)
    return digest.hexdigest()
