"""NPZ, .npy and IDX: what they hold is read; what they only claim to hold is refused at once."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bpcli.data.part import MappedPart
from bpcli.data.sources import Examples, OptionError, open_source
from bpcli.data.sources.arrays import read_header
from bpcli.errors import DataError
from bpcli.spec.data import SourceOptions

from .support import idx_bytes, load

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


def read(folder: Path, **options: str) -> Examples:
    return open_source(SourceOptions(**options), folder).read()


# NPZ


def test_an_archive_is_read_by_the_names_of_its_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y, inputs=X + 1)
    examples = read(tmp_path, path="a.npz")
    np.testing.assert_array_equal(examples.inputs, X)
    np.testing.assert_array_equal(examples.targets.values, Y)
    examples = read(tmp_path, path="a.npz", inputs="inputs")
    np.testing.assert_array_equal(examples.inputs, X + 1)


def test_an_array_that_is_not_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, y=Y)
    with pytest.raises(OptionError, match="no array 'x'; did you mean 'x_train'") as caught:
        read(tmp_path, path="a.npz")
    assert caught.value.option == "inputs"


@pytest.mark.parametrize("packed", [False, True])
def test_pickled_objects_are_never_loaded(tmp_path: Path, packed: bool) -> None:
    save = np.savez_compressed if packed else np.savez
    save(tmp_path / "a.npz", x=np.array([[print], [len]], dtype=object), y=Y[:2])
    with pytest.raises(DataError, match="received pickled objects; they are not read"):
        read(tmp_path, path="a.npz")
    np.save(tmp_path / "x.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "y.npy", Y[:2])
    with pytest.raises(DataError, match="pickled objects"):
        read(tmp_path, inputs="x.npy", targets="y.npy")


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", [("a", "i4")]])
def test_other_dtypes_are_refused(tmp_path: Path, dtype: object) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3), dtype), y=Y[:2])
    with pytest.raises(DataError, match="expected numbers, received values of dtype"):
        read(tmp_path, path="a.npz")


def test_text_targets_are_words(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X[:3], y=np.array(["b", "a", "b"]))
    targets = read(tmp_path, path="a.npz").targets
    assert targets.labels
    assert [targets.words[code] for code in targets.values] == ["b", "a", "b"]


def npy_header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"shape": shape, "fortran_order": False, "descr": dtype}
    )
    return file.getvalue()


def refused_cheaply(folder: Path, message: str, **options: str) -> None:
    """The source is refused before memory is taken for what it claims."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            read(folder, **options)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", npy_header((10**9, 1000)) + bytes(80))
        archive.writestr("y.npy", npy_header((10**9,)) + bytes(80))
    refused_cheaply(tmp_path, "declares shape .* but holds 80", path="a.npz")


def test_an_archive_that_unpacks_to_far_more(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x.npy", "y.npy"):
            with archive.open(name, "w") as file:
                file.write(npy_header((100 << 20,), "|i1"))
                for _ in range(100):
                    file.write(bytes(1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 300_000
    refused_cheaply(tmp_path, "refused, .* unpack to", path="a.npz")


@pytest.mark.parametrize(
    ("method", "megabytes"), [("ZIP_DEFLATED", 100), ("ZIP_BZIP2", 1), ("ZIP_LZMA", 1)]
)
def test_an_archive_that_lies_about_what_is_packed(
    tmp_path: Path, method: str, megabytes: int
) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", getattr(zipfile, method)) as archive:
        for name in ("x.npy", "y.npy"):
            with archive.open(name, "w") as file:
                file.write(npy_header((megabytes << 20,), "|i1"))
                for _ in range(megabytes):
                    file.write(bytes(1 << 20))
    content = bytearray(path.read_bytes())
    place = content.find(b"PK\x01\x02")
    while place >= 0:  # in the central directory, which is what zipfile believes
        content[place + 20 : place + 24] = struct.pack("<I", 1 << 30)
        place = content.find(b"PK\x01\x02", place + 1)
    path.write_bytes(content)
    refused_cheaply(tmp_path, "refused, .* unpack to|NumPy does not use", path="a.npz")


def test_an_entry_beyond_the_end_of_its_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    content = path.read_bytes()
    place = content.find(b"PK\x01\x02")  # the first entry in the central directory
    name, extra = struct.unpack("<HH", content[place + 28 : place + 32])
    end = place + 46 + name + extra
    far = struct.pack("<HHQ", 1, 8, 2**64 - 1)  # where it begins, in 64 bits
    changed = bytearray(content[:end] + far + content[end:])
    changed[place + 30 : place + 32] = struct.pack("<H", extra + len(far))
    changed[place + 42 : place + 46] = b"\xff" * 4
    last = changed.find(b"PK\x05\x06")
    (size,) = struct.unpack("<I", changed[last + 12 : last + 16])
    changed[last + 12 : last + 16] = struct.pack("<I", size + len(far))
    path.write_bytes(changed)
    with pytest.raises(DataError, match=r"a\.npz: "):
        read(tmp_path, path="a.npz")


def test_texts_without_a_character_take_no_memory(tmp_path: Path) -> None:
    """However many there are, they fill the file."""
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "y.npy").write_bytes(npy_header((len(X), 10**8), "<U0"))
    refused_cheaply(tmp_path, "texts without a character", inputs="x.npy", targets="y.npy")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_whose_array_ends_early(tmp_path: Path, method: int) -> None:
    path, array = tmp_path / "a.npz", npy_header((50, 3000))
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", array + bytes(600))
        archive.writestr("y.npy", npy_header((50,)) + bytes(400))
    content = bytearray(path.read_bytes())
    size = struct.pack("<I", len(array) + 50 * 3000 * 8)
    place = content.find(b"PK\x01\x02")  # the first entry in the central directory
    content[22:26] = content[place + 24 : place + 28] = size
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: .*(damaged|unpack)"):
        read(tmp_path, path="a.npz")


def test_a_pair_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy_header((10**12, 10)) + bytes(800))
    np.save(tmp_path / "y.npy", Y)
    refused_cheaply(tmp_path, "declares shape", inputs="x.npy", targets="y.npy")


@pytest.mark.parametrize("damage", ["flip", "cut", "text"])
def test_damaged_archives(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[content.index(X.tobytes()[:16]) + 5] ^= 4
    path.write_bytes({"flip": bytes(content), "cut": content[:-30], "text": b"x,y\n1,2\n"}[damage])
    with pytest.raises(DataError, match=r"a\.npz: .*damaged"):
        read(tmp_path, path="a.npz")


@pytest.mark.parametrize(
    "shape", ["(-6, -4)", "(-1, 4)", "(6, (", "(6, __import__('os').system('false'))", "(6, 4"]
)
def test_headers_that_are_no_headers(tmp_path: Path, shape: str) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    content = (tmp_path / "x.npy").read_bytes()
    length, header = len(content) - X.nbytes, str(X.shape)
    changed = content[:length].decode("latin-1").replace(header, shape)
    changed = changed.rstrip() + " " * (length - len(changed.rstrip()) - 1) + "\n"
    (tmp_path / "x.npy").write_bytes(changed.encode("latin-1")[-length:] + X.tobytes())
    with pytest.raises(DataError, match=r"x\.npy: "):
        read(tmp_path, inputs="x.npy", targets="y.npy")


def test_any_damage_to_a_header_is_refused_or_harmless() -> None:
    buffer, random = io.BytesIO(), np.random.default_rng(0)
    np.save(buffer, X)
    for _ in range(2000):
        content = bytearray(buffer.getvalue())
        for place in random.integers(0, len(content) - X.nbytes, random.integers(1, 4)):
            content[place] = random.choice(list(b"\0\xff'\"()[]{}\\\n ,:-09eL#"))
        try:
            header = read_header(io.BytesIO(content), "x.npy", "inputs", len(content))
        except DataError:
            continue
        assert min(header.shape) > 0


def test_inputs_and_targets_must_be_as_many(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y[:5])
    with pytest.raises(DataError, match="6 inputs and 5 targets; each example needs"):
        read(tmp_path, path="a.npz")


def test_values_that_are_not_finite_have_their_place(tmp_path: Path) -> None:
    x = X.copy()
    x[4, 2] = np.inf
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    with pytest.raises(DataError, match=r"a\.npz: example 4: value 2 is inf; say `missing: drop`"):
        load(tmp_path, "path: a.npz")
    assert len(load(tmp_path, "path: a.npz, missing: drop").train) == 5
    filled = load(tmp_path, "path: a.npz, missing: mean").train.slice(0, 6)[0]
    assert filled[4, 2] == pytest.approx(X[[0, 1, 2, 3, 5], 2].mean())


# .npy pairs


def save_pair(folder: Path, x: np.ndarray = X, y: np.ndarray = Y) -> str:
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return "inputs: x.npy, targets: y.npy"


def test_a_pair_stays_on_disk(tmp_path: Path) -> None:
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (200_000, 200))
    x[::1000] = 1  # 160 MB, most of it holes
    x.flush()
    np.save(tmp_path / "y.npy", np.arange(200_000) % 2)
    tracemalloc.start()
    dataset = load(tmp_path, "inputs: x.npy, targets: y.npy, split: {test: 0.25}")
    part = dataset.train
    assert isinstance(part, MappedPart)
    assert isinstance(part.inputs, np.memmap)
    part.take(np.arange(64))
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    tracemalloc.stop()
    assert len(part) == 150_000


@pytest.mark.parametrize("scale", ["none", "standard", "minmax", "0.5"])
def test_a_pair_gives_what_an_archive_gives(tmp_path: Path, scale: str) -> None:
    pair = save_pair(tmp_path)
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    rest = f"scale: {scale}, split: {{test: 0.5}}, shape: [2, 2]"
    mapped, held = load(tmp_path, f"{pair}, {rest}"), load(tmp_path, f"path: a.npz, {rest}")
    for name, part in held.parts.items():
        rows = np.arange(len(part))
        for ours, theirs in zip(mapped.parts[name].take(rows), part.take(rows), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


def test_numbers_of_a_pair_are_scaled_as_they_are_taken(tmp_path: Path) -> None:
    targets = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40], [5, 50], [6, 60]])
    pair = save_pair(tmp_path, y=targets)
    dataset = load(tmp_path, f"{pair}, target_scale: standard", loss="mse")
    got = dataset.train.take(np.array([5, 0]))[1]
    np.testing.assert_allclose(dataset.preparation.targets.unscale(got), targets[[5, 0]], rtol=1e-6)
    assert got.dtype == np.float32


def test_a_gap_in_a_pair_is_found_when_it_is_taken(tmp_path: Path) -> None:
    x = X.copy()
    x[3, 1] = np.nan
    pair = save_pair(tmp_path, x)
    part = load(tmp_path, pair).train
    part.take(np.array([0, 1]))
    with pytest.raises(DataError, match=r"x\.npy: example 3 has a value that is not finite"):
        part.take(np.array([0, 3]))
    assert np.isfinite(load(tmp_path, f"{pair}, missing: mean").train.take(np.arange(6))[0]).all()
    assert len(load(tmp_path, f"{pair}, missing: drop").train) == 5


def test_targets_of_a_pair_may_be_as_large_as_its_inputs(tmp_path: Path) -> None:
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (200_000, 200))
    x[::1000] = 1
    x.flush()
    tracemalloc.start()
    data = "inputs: x.npy, targets: x.npy, split: {test: 0.25}, target_scale: standard"
    dataset = load(tmp_path, data, loss="mse")
    inputs, targets = dataset.test.take(np.arange(64))
    assert inputs.shape == targets.shape
    assert tracemalloc.get_traced_memory()[1] < 60 << 20  # of 160 MB
    tracemalloc.stop()


def test_a_target_of_a_pair_that_is_not_finite(tmp_path: Path) -> None:
    targets = np.array([[1.0, 10], [2, np.nan], [3, 30], [4, 40], [5, 50], [6, 60]])
    pair = save_pair(tmp_path, y=targets)
    part = load(tmp_path, pair, loss="mse").train
    with pytest.raises(DataError, match=r"example 1 has a value that is not finite; say .*drop"):
        part.take(np.array([0, 1]))
    assert len(load(tmp_path, f"{pair}, missing: drop", loss="mse").train) == 5
    pair = save_pair(tmp_path, y=np.array([0, 1, np.nan, 0, 1, 2]))
    with pytest.raises(DataError, match="example 2, targets holds a target that is not finite"):
        load(tmp_path, pair)


def test_the_files_of_a_pair_are_never_written_to(tmp_path: Path) -> None:
    pair = save_pair(tmp_path)
    before = (tmp_path / "x.npy").read_bytes()
    part = load(tmp_path, f"{pair}, scale: standard").train
    part.take(np.arange(6))[0][...] = 7
    assert (tmp_path / "x.npy").read_bytes() == before


# IDX


def save_idx(folder: Path, images: np.ndarray, labels: np.ndarray, suffix: str = "") -> str:
    for name, array in (("images", images), ("labels", labels)):
        content = idx_bytes(array)
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return f"images: images{suffix}, labels: labels{suffix}"


IMAGES = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_images_are_channels_last_and_not_scaled(tmp_path: Path, suffix: str) -> None:
    data = save_idx(tmp_path, IMAGES, np.array([3, 1, 3, 1, 1]), suffix)
    dataset = load(tmp_path, data, network="[{dense: 2}]")
    inputs, targets = dataset.train.slice(0, 5)
    np.testing.assert_array_equal(inputs, IMAGES[..., np.newaxis])
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(targets, [1, 0, 1, 0, 0])
    assert dataset.preparation.targets.classes == ("1", "3")


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")]
)
def test_every_type_of_value_and_its_byte_order(tmp_path: Path, code: int, dtype: str) -> None:
    values = np.array([[1, -2], [300, 4]])
    content = bytes([0, 0, code, 2]) + struct.pack(">2I", 2, 2) + values.astype(dtype).tobytes()
    (tmp_path / "images").write_bytes(content)
    (tmp_path / "labels").write_bytes(idx_bytes(np.array([0, 1])))
    examples = read(tmp_path, images="images", labels="labels")
    np.testing.assert_array_equal(examples.inputs, values)
    assert examples.inputs.dtype.isnative


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_images_that_declare_more_than_they_hold(tmp_path: Path, pack: type) -> None:
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 28, 28)
    (tmp_path / "images").write_bytes(pack(header + bytes(100)))
    (tmp_path / "labels").write_bytes(idx_bytes(Y))
    refused_cheaply(
        tmp_path, "images: (declares the shape|refused)", images="images", labels="labels"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PNG...", "not an IDX file, it starts with the bytes"),
        (b"", "not an IDX file"),
        (idx_bytes(IMAGES)[:-3], "declares the shape .* but holds 57"),
        (idx_bytes(IMAGES) + b"more", "declares the shape"),
        (gzip.compress(idx_bytes(IMAGES)[:-3], mtime=0), "but holds 57"),
        (gzip.compress(idx_bytes(IMAGES) + b"more", mtime=0), "but holds more"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "damaged or cut short"),
        (idx_bytes(IMAGES[:0]), "expected an example or more"),
    ],
)
def test_damaged_images(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "images").write_bytes(content)
    (tmp_path / "labels").write_bytes(idx_bytes(Y[:5]))
    with pytest.raises(DataError, match=message):
        read(tmp_path, images="images", labels="labels")


def test_images_and_labels_exchanged_or_of_other_number(tmp_path: Path) -> None:
    save_idx(tmp_path, IMAGES, Y[:4])
    source = open_source(SourceOptions(images="images", labels="labels"), tmp_path)
    with pytest.raises(DataError, match="5 images and 4 labels"):
        source.header()
    source = open_source(SourceOptions(images="labels", labels="images"), tmp_path)
    with pytest.raises(DataError, match="is this the file of the images"):
        source.header()


# damage that NumPy and zipfile have words of their own for


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("before", "after"), [(b"'<i8'", b"'a08'"), (b"(6,)", b"(6L)"), (b"'<i8'", b"'<a8'")]
)
def test_a_header_that_looks_old_is_judged_without_a_warning(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y.astype("<i8"))
    content = (tmp_path / "y.npy").read_bytes()
    assert before in content
    (tmp_path / "y.npy").write_bytes(content.replace(before, after))
    with contextlib.suppress(DataError, OptionError):
        read(tmp_path, inputs="x.npy", targets="y.npy")


def test_an_archive_of_a_version_that_there_is_not(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 206  # "version needed", of the first entry
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"not an \.npz archive, or a damaged one"):
        read(tmp_path, path="a.npz")
