"""Checkpoints hold what was saved, to the bit, and show any damage."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.errors import CheckpointError, WriteError
from bpcli.training import checkpoint

from .support import layer, make_network, make_spec

TREE: dict[str, Any] = {
    "network": {"parameters": np.arange(5, dtype=np.float32), "names": ["a", "b"]},
    "order": np.array([2, 0, 1]),
    "empty": np.zeros((4, 0)),
    "nothing": {},
    "best": None,
    "value": 0.1 + 0.2,
    "state": {"large": 2**127 + 1},
}


def test_a_tree_comes_back_to_the_bit(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "last.npz", TREE)
    tree = checkpoint.load(tmp_path / "last.npz")
    assert tree.pop("format") == checkpoint.FORMAT
    for path in (("network", "parameters"), ("order",), ("empty",)):
        saved, loaded = TREE, tree
        for name in path:
            saved, loaded = saved[name], loaded[name]
        assert (loaded.dtype, loaded.shape) == (saved.dtype, saved.shape)
        assert loaded.tobytes() == saved.tobytes()
        assert loaded.flags.writeable
    for name in ("nothing", "best", "value", "state"):
        assert tree[name] == TREE[name]
    assert tree["network"]["names"] == ["a", "b"]
    assert set(tree) == set(TREE)


def test_equal_trees_are_equal_bytes_and_any_numpy_reads_them(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        checkpoint.save(tmp_path / name, TREE)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["network.parameters"].tolist() == [0, 1, 2, 3, 4]


def test_every_flipped_bit_and_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    checkpoint.save(path, TREE)
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        for damaged in (flipped, content[:place]):
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError, match=r"last\.npz: the checkpoint is damaged"):
                checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.npz: there is no such checkpoint"):
        checkpoint.load(tmp_path / "gone.npz")


def forge(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """A file whose digest is right, with entries of someone's choosing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.comment = bytes(71)
    body = buffer.getvalue()[:-71]
    path.write_bytes(body + b"sha256:" + hashlib.sha256(body).hexdigest().encode())


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


VALUES = b'{"format": 1}'


@pytest.mark.parametrize(
    "entries",
    [
        {"checkpoint.json": VALUES, "a.npy": npy(np.array([print, 1], dtype=object))},
        {"checkpoint.json": VALUES, "a.npy": npy(np.zeros(3))[:-1]},
        {"checkpoint.json": VALUES, "a.npy": npy(np.zeros(3)).replace(b"(3,)", b"(9,)")},
        {"checkpoint.json": VALUES, "a.npy": b"nothing of the kind"},
        {"checkpoint.json": VALUES, "a.npy": npy(np.zeros(3), (2, 0))},
        {"a.npy": npy(np.zeros(3))},
        {"checkpoint.json": b"{"},
        {"checkpoint.json": b'{"format": 1, "a": 2}', "a.b.npy": npy(np.zeros(3))},
        {"checkpoint.json": VALUES, "a.npy": npy(np.zeros(3)), "a.b.npy": npy(np.zeros(3))},
        {"checkpoint.json": b"[" * 100_000},
    ],
    ids=[
        "objects",
        "short",
        "lying header",
        "no array",
        "another version",
        "no values",
        "no JSON",
        "inside a value",
        "inside an array",
        "deep JSON",
    ],
)
def test_a_forged_file_is_refused(tmp_path: Path, entries: dict[str, bytes]) -> None:
    forge(tmp_path / "last.npz", entries)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(tmp_path / "last.npz")


@pytest.mark.parametrize("flag", [0x01, 0x20, 0x41], ids=["encrypted", "patched", "strongly"])
def test_what_zipfile_cannot_read_is_damaged(tmp_path: Path, flag: int) -> None:
    path = tmp_path / "last.npz"
    forge(path, {"checkpoint.json": VALUES})
    body = bytearray(path.read_bytes()[:-71])
    body[body.find(b"PK\x01\x02") + 8] = flag  # of the entry in the central directory
    path.write_bytes(body + b"sha256:" + hashlib.sha256(body).hexdigest().encode())
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_no_byte_of_a_header_leads_to_anything_else(tmp_path: Path) -> None:
    path, whole = tmp_path / "last.npz", npy(np.zeros(3))
    for place in range(len(whole) - 24):
        for byte in b"\0\n'({[,#\\9":
            content = whole[:place] + bytes((byte,)) + whole[place + 1 :]
            forge(path, {"checkpoint.json": VALUES, "a.npy": content})
            with contextlib.suppress(CheckpointError):
                assert checkpoint.load(path)["a"].nbytes == 24


def test_entries_do_not_share_their_bytes(tmp_path: Path) -> None:
    """A small file could hold more arrays than memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("checkpoint.json", VALUES)
        archive.writestr("a.npy", npy(np.zeros(1000)))
        for name in "bc":
            other = copy.copy(archive.filelist[1])
            other.filename = f"{name}.npy"
            archive.filelist.append(other)
        archive.comment = bytes(71)
    body = buffer.getvalue()[:-71]
    digest = hashlib.sha256(body).hexdigest().encode()
    (tmp_path / "last.npz").write_bytes(body + b"sha256:" + digest)
    with pytest.raises(CheckpointError, match="its entries overlap"):
        checkpoint.load(tmp_path / "last.npz")


def test_compressed_entries_are_not_unpacked(tmp_path: Path) -> None:
    entries = {"checkpoint.json": VALUES, "a.npy": npy(np.zeros(1_000_000))}
    forge(tmp_path / "last.npz", entries, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        checkpoint.load(tmp_path / "last.npz")


def test_another_format_is_named(tmp_path: Path) -> None:
    forge(tmp_path / "last.npz", {"checkpoint.json": b'{"format": 99}'})
    with pytest.raises(CheckpointError, match="received format 99"):
        checkpoint.load(tmp_path / "last.npz")


def test_the_previous_one_is_kept(tmp_path: Path) -> None:
    last, previous = tmp_path / "last.npz", tmp_path / "previous.npz"
    for steps in (1, 2, 3):
        checkpoint.save(last, {"steps": steps}, previous=previous)
    assert checkpoint.load(last)["steps"] == 3
    assert checkpoint.load(previous)["steps"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.npz", "previous.npz"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "last.npz"
    checkpoint.save(path, {"steps": 1})

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"bpcli.training.files.os.{call}", fail)
    with pytest.raises(WriteError, match=r"could not write .*last\.npz: No space left on device"):
        checkpoint.save(path, {"steps": 2}, previous=tmp_path / "previous.npz")
    assert checkpoint.load(path)["steps"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]


def test_what_reaches_the_disk_damaged_never_replaces_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.npz"
    checkpoint.save(path, {"steps": 1})
    good = checkpoint._to_bytes
    monkeypatch.setattr(checkpoint, "_to_bytes", lambda tree: good(tree)[:-1])
    with pytest.raises(CheckpointError):
        checkpoint.save(path, {"steps": 2})
    assert checkpoint.load(path)["steps"] == 1


def test_weights_go_only_into_the_network_they_are_of() -> None:
    network = make_network(make_spec())
    tree = checkpoint.network_tree(network)
    others = {
        "dense_1.weight": make_spec(layer("dense", units=6), layer("dense", units=3)),
        "7 arrays, received 4": make_spec(
            layer("dense", units=5), layer("tanh"), layer("dense", units=3), layer("rms_norm")
        ),
        "float64 numbers": make_spec(dtype="float64"),
    }
    for message, spec in others.items():
        with pytest.raises(CheckpointError, match="of another network"):
            checkpoint.restore_network(make_network(spec), tree)
        assert message
    other = make_network(make_spec(seed=5))
    checkpoint.restore_network(other, tree)
    assert other.parameters.vector.tobytes() == network.parameters.vector.tobytes()
