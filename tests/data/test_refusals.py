"""What cannot be read as data is refused with what to do instead."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bpcli.build import prepare
from bpcli.data import Description, describe, files
from bpcli.data import part as part_module
from bpcli.data.part import Part
from bpcli.data.sources import Examples, OptionError, open_source, text
from bpcli.errors import BpcliError, DataError
from bpcli.spec.data import SourceOptions

from .support import load, spec_of, write

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


def read(folder: Path, **options: str) -> Examples:
    return open_source(SourceOptions(**options), folder).read()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(OptionError, match=r"t\.csv: expected a file, this is a folder") as caught:
        read(tmp_path, path="t.csv")
    assert caught.value.option == "path"


def test_a_folder_without_files_suggests_none(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such file; its folder holds no files"):
        read(tmp_path, path="t.csv")


def test_targets_alone_need_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(OptionError, match="`targets` needs `inputs`") as caught:
        read(tmp_path, targets="y.npy")
    assert caught.value.option == "targets"


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1,2\n")
    write(tmp_path / "images", "")
    with pytest.raises(DataError, match="data come from exactly one source"):
        read(tmp_path, path="t.csv", images="images")


def test_an_option_of_tables_for_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    with pytest.raises(OptionError, match=r"for tables, not for an \.npz .*array with `targets:`"):
        read(tmp_path, path="a.npz", target="y")


def test_a_pair_of_arrays_is_of_npy_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(DataError, match=r"a\.npz: expected an \.npy file"):
        read(tmp_path, inputs="a.npz", targets="y.npy")


def test_inputs_alone_need_targets(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(OptionError, match="`inputs` needs `targets`") as caught:
        read(tmp_path, inputs="x.npy")
    assert caught.value.option == "inputs"


def test_an_archive_with_two_arrays_of_a_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "x.npy", "x.npy")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(tmp_path / "x.npy", "x.npy")
    with pytest.raises(DataError, match="holds 2 arrays called 'x'"):
        read(tmp_path, path="a.npz")


def test_as_many_targets_as_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y[:4])
    with pytest.raises(BpcliError, match="6 inputs and 4 targets"):
        load(tmp_path, "inputs: x.npy, targets: y.npy")


def test_an_array_beyond_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    monkeypatch.setattr(files, "physical_memory", lambda: 100)
    with pytest.raises(DataError, match="of memory, this machine has"):
        read(tmp_path, path="a.npz")


def test_a_table_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_TABLE_BYTES", 100)
    for name in ("t.csv", "t.csv.gz"):
        write(tmp_path / name, "a,t\n" + "1,2\n" * 30)
        with pytest.raises(DataError, match="more than 100 bytes of text; convert large data"):
            read(tmp_path, path=name)


def test_a_text_with_zero_bytes(tmp_path: Path) -> None:
    write(tmp_path / "t.txt", "ab\0c")
    with pytest.raises(DataError, match="not a text file, it holds zero bytes"):
        read(tmp_path, path="t.txt")


def test_the_digest_of_a_large_file_takes_its_size_and_both_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_HASHED_WHOLE", 1 << 20)

    def digest(content: bytes) -> str:
        (tmp_path / "x").write_bytes(content)
        found = hashlib.sha256()
        files.add_to_digest(found, tmp_path / "x")
        return found.hexdigest()

    zeros = bytes(3 << 20)
    assert digest(zeros) == digest(zeros)
    others = {digest(zeros + b"\0"), digest(b"\1" + zeros[1:]), digest(zeros[1:] + b"\1")}
    assert len(others | {digest(zeros)}) == 4


def test_a_scale_of_zero_would_erase_the_targets(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1,2\n2,3\n3,4\n")
    with pytest.raises(BpcliError, match="`target_scale: 0` would erase the targets"):
        load(tmp_path, "path: t.csv, target_scale: 0", loss="mse", network="[{dense: 1}]")


def test_cross_entropy_takes_one_column(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t,u\n1,2,1\n2,3,1\n3,4,1\n")
    with pytest.raises(BpcliError, match="cross_entropy takes one column of classes, received 2"):
        load(tmp_path, "path: t.csv, target: [t, u]")


def test_a_text_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MOST_TABLE_BYTES", 100)
    write(tmp_path / "t.txt", "ab " * 40)
    with pytest.raises(DataError, match="more than 100 characters"):
        read(tmp_path, path="t.txt")


def test_targets_beyond_single_precision(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1,1e39\n2,1e39\n3,-1e39\n")
    with pytest.raises(BpcliError, match="targets too large for float32"):
        load(tmp_path, "path: t.csv, target_scale: none", loss="mse", network="[{dense: 1}]")


def test_codes_are_not_scaled(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1,x\n2,y\n0,x\n")
    network = "[{embedding: 4}, flatten, {dense: 2}]"
    with pytest.raises(BpcliError, match="an embedding takes codes as they are"):
        load(tmp_path, "path: t.csv, scale: standard", network=network)


@pytest.mark.parametrize("cells", ["word", "0.5", "-1"])
def test_an_embedding_takes_only_codes(tmp_path: Path, cells: str) -> None:
    write(tmp_path / "t.csv", f"a,b,t\n1,{cells},x\n2,{cells},y\n0,{cells},x\n")
    with pytest.raises(BpcliError, match="embedding"):
        prepare(spec_of(tmp_path, "path: t.csv", network="[{embedding: 4}, flatten, {dense: 2}]"))


def test_a_column_of_targets_is_as_good_as_a_row(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y.reshape(-1, 1))
    dataset = load(tmp_path, "inputs: x.npy, targets: y.npy, scale: none")
    inputs, targets = dataset.train.slice(1, 4)
    np.testing.assert_array_equal(inputs, X[1:4])
    np.testing.assert_array_equal(targets, Y[1:4])


def test_batches_of_ever_other_sizes_are_right_and_few_are_kept() -> None:
    inputs_of_all, targets_of_all = np.arange(40.0).reshape(20, 2), np.arange(20)
    part = Part(inputs_of_all, targets_of_all)
    for size in [*range(1, 21), *range(20, 0, -1)]:
        inputs, targets = part.take(np.arange(size)[::-1])
        np.testing.assert_array_equal(inputs, inputs_of_all[:size][::-1])
        np.testing.assert_array_equal(targets, targets_of_all[:size][::-1])
        assert len(part._buffers) <= part_module._MOST_BUFFERS


@pytest.mark.parametrize("targets", [Y, Y.reshape(-1, 1)])
def test_the_headers_of_two_arrays_tell_all_of_numbers(tmp_path: Path, targets: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", targets)
    spec = spec_of(tmp_path, "inputs: x.npy, targets: y.npy", loss="mse")
    assert describe(spec) == Description((4,), (1,), None, 6)


def test_headers_of_different_lengths_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y[:4])
    with pytest.raises(BpcliError, match="6 inputs and 4 targets"):
        describe(spec_of(tmp_path, "inputs: x.npy, targets: y.npy"))


def test_a_pipe_is_said_to_be_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(BpcliError, match="expected a file, this is a pipe or a device"):
        load(tmp_path, "path: a.csv")
