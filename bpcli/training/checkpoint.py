"""Checkpoints: a tree of arrays and plain values in an NPZ file that shows any damage.

The file is an ordinary NPZ: each array an entry by its path in the tree, everything else in
`checkpoint.json`. Nothing in it depends on the clock, so equal trees give equal bytes. It ends in
the SHA-256 of all that stands before it (in the archive's comment), which is checked before
anything is believed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EFBIG
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from bpcli.errors import CheckpointError
from bpcli.memory import format_bytes, physical_memory
from bpcli.network import Network
from bpcli.training.files import write_atomic
from bpcli.training.reading import open_file
from bpcli.training.records import problem

Array = np.ndarray[Any, Any]
Tree = dict[str, Any]  # str -> array, plain value, or another tree
FORMAT = 1
_VALUES = "checkpoint.json"
_DIGEST = b"sha256:"
_TAIL = len(_DIGEST) + 64
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can state


def save(path: Path, tree: Tree, *, previous: Path | None = None) -> None:
    """Writes the tree atomically; a file that stood there is kept as ``previous``.

    The new file is read back and checked before it takes the place. Raises WriteError.
    """
    content = _to_bytes(tree)
    write_atomic(path, content, previous=previous, verify=lambda written: _checked(written, path))


def load(path: Path) -> Tree:
    """The tree that was saved; raises CheckpointError naming the file and what is wrong."""
    content = _checked(path, path)
    try:
        tree = _from_bytes(content)
        number = tree.get("format")
    except MemoryError:
        raise
    except Exception as error:  # a digest is easily made: zipfile, json and NumPy raise all kinds
        raise _damaged(path, str(error)) from None
    if not isinstance(number, int) or number != FORMAT:
        raise CheckpointError(
            f"{path}: expected a checkpoint of format {FORMAT}, received format {number!s:.40}; "
            "it was written by another version of bpcli"
        )
    return tree


@contextmanager
def of_this_run(tree: Any, shape: Any) -> Iterator[None]:
    """While a tree of that shape is put back: what does not fit raises CheckpointError, as the
    digest only tells that a checkpoint is whole."""
    try:
        wrong = problem(tree, shape)
        if wrong is not None:
            raise ValueError(wrong)
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"the checkpoint is of another run: {error}") from None


def _to_bytes(tree: Tree) -> bytes:
    buffer = BytesIO()
    values: Tree = {}
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for path, leaf in _leaves({"format": FORMAT, **tree}, ()):
            if isinstance(leaf, np.ndarray):
                name = ZipInfo(".".join(path) + ".npy", _FIXED_TIME)
                with archive.open(name, "w", force_zip64=True) as entry:
                    npy.write_array(entry, np.ascontiguousarray(leaf), allow_pickle=False)
            else:
                _put(values, path, leaf)
        archive.writestr(ZipInfo(_VALUES, _FIXED_TIME), json.dumps(values))
        archive.comment = bytes(_TAIL)  # so that the archive counts it; overwritten below
    with buffer.getbuffer() as content:
        digest = hashlib.sha256(content[:-_TAIL]).hexdigest()
        content[-_TAIL:] = _DIGEST + digest.encode()
    return buffer.getvalue()


def _checked(path: Path, name: Path) -> bytes:
    """What the file holds, if its digest says that it is whole."""
    try:
        with open_file(path) as file:
            content = file.read() if _may_be_ours(file) else b""
    except FileNotFoundError:
        raise CheckpointError(f"{name}: there is no such checkpoint") from None
    except OSError as error:
        raise CheckpointError(f"{name}: could not be read: {error.strerror or error}") from None
    digest = hashlib.sha256(memoryview(content)[:-_TAIL]).hexdigest()
    if content[-_TAIL:] != _DIGEST + digest.encode():
        raise _damaged(name, "its digest does not agree with its content")
    return content


def _may_be_ours(file: BinaryIO) -> bool:
    """Whether it ends in a digest and came from a memory like this one; looked at first."""
    size = file.seek(0, SEEK_END)
    if size > physical_memory():
        raise OSError(EFBIG, f"holds {format_bytes(size)}, more than this machine's memory")
    file.seek(max(0, size - _TAIL))
    ends = file.read(len(_DIGEST)) == _DIGEST
    file.seek(0)
    return ends


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path}: the checkpoint is damaged: {reason}; remove it or train again")


def _from_bytes(content: bytes) -> Tree:
    with ZipFile(BytesIO(content)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            raise ValueError("its entries are compressed")
        if sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("its entries overlap")
        tree: Tree = json.loads(archive.read(_VALUES))
        for name in archive.namelist():
            if name != _VALUES:
                _put(tree, tuple(name.removesuffix(".npy").split(".")), _array(archive.read(name)))
    return tree


def _array(content: bytes) -> Array:
    """One .npy entry; its size is held against its header before an array is made."""
    buffer = BytesIO(content)
    version = npy.read_magic(buffer)
    if version != (1, 0):
        raise ValueError(f"arrays of .npy version {version} are not ours")
    shape, _, dtype = npy.read_array_header_1_0(buffer)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - buffer.tell():
        raise ValueError(f"an array of shape {shape} and type {dtype} does not fill its entry")
    return np.frombuffer(content, dtype, offset=buffer.tell()).reshape(shape).copy()


def _leaves(tree: Tree, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _put(tree: Tree, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def network_tree(network: Network) -> Tree:
    """The parameters and the state of a network, with what they are called."""
    shapes = {**network.parameters.layout.slots, **network.state.layout.slots}
    return {
        "parameters": network.parameters.vector,
        "state": network.state.vector,
        "names": list(shapes),
        "shapes": [list(slot.shape) for slot in shapes.values()],
    }


def restore_network(network: Network, tree: Tree) -> None:
    """Gives the network what :func:`network_tree` kept; raises CheckpointError if it is another."""
    check_network(network, tree)
    network.parameters.vector[...], network.state.vector[...] = tree["parameters"], tree["state"]


def check_network(network: Network, tree: Tree) -> None:
    """Raises CheckpointError unless :func:`network_tree` kept the tree of such a network."""
    own = network_tree(network)
    for name, shape, other in zip(own["names"], own["shapes"], _slots(tree), strict=False):
        if (name, shape) != other:
            raise _other_network(f"{name} {shape}", f"{other[0]} {other[1]}")
    if len(own["names"]) != len(tree["names"]):
        raise _other_network(f"{len(own['names'])} arrays", f"{len(tree['names'])}")
    for vector in ("parameters", "state"):
        if tree[vector].dtype != own[vector].dtype:
            raise _other_network(f"{own[vector].dtype} numbers", f"{tree[vector].dtype}")
        check_alike(own[vector], tree[vector])


def check_alike(own: Array, kept: Array) -> None:
    """Raises ValueError unless both have one shape and dtype; NumPy would broadcast and convert."""
    if (own.shape, own.dtype) != (kept.shape, kept.dtype):
        raise ValueError(
            f"expected {own.dtype} numbers of shape {own.shape}, received {kept.dtype} {kept.shape}"
        )


def _slots(tree: Tree) -> Iterator[tuple[str, list[int]]]:
    return zip(tree["names"], tree["shapes"], strict=True)


def _other_network(expected: str, received: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint is of another network: expected {expected}, received {received}"
    )


def random_state(random: np.random.Generator) -> Tree:
    """Where a generator stands, as plain values."""
    return {"state": json.dumps(random.bit_generator.state)}


def restore_random(random: np.random.Generator, tree: Tree) -> None:
    """Puts a generator where :func:`random_state` found it."""
    random.bit_generator.state = json.loads(tree["state"])
