"""From `data:` to parts: what is described, loaded, kept, and read again for a trained network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.build import build_network, plan, prepare
from bpcli.data import Preparation, describe, load_data, read_part
from bpcli.errors import BpcliError, CheckpointError, DataError, SpecError

from .support import idx_bytes, load, spec_of, write

FLOWERS = "color,size,species\n" + "".join(
    f"{('red', 'blue', 'green')[n % 3]},{n},{('rose', 'lily')[n % 2]}\n" for n in range(24)
)


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    write(tmp_path / "flowers.csv", FLOWERS)
    return tmp_path


# described from headers


def test_a_table_of_numbers_is_described_by_its_head(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,b,t\n" + "1,2,3\n" * 300 + "not,a,row,of,it\n")
    description = describe(spec_of(tmp_path, "path: t.csv", loss="mse"))
    assert (description.input_shape, description.output_shape) == ((2,), (1,))
    description = describe(spec_of(tmp_path, "path: t.csv"))
    assert description.output_shape is None  # how many classes there are, only the data can tell


def test_words_leave_the_shape_open_and_building_reads_them(flowers: Path) -> None:
    spec = spec_of(flowers, "path: flowers.csv", network="[{dense: 2}]")
    assert describe(spec).input_shape is None
    network = build_network(spec)
    assert network.parameters["dense_1.weight"].shape == (4, 2)
    chain, description = plan(spec)
    assert (chain.input_shape, description.output_shape) == ((4,), (2,))
    assert description.classes == ("lily", "rose")


def test_archives_and_images_are_described_by_their_headers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((5, 3, 4)), y=np.zeros((5, 2)))
    description = describe(spec_of(tmp_path, "path: a.npz", loss="mse"))
    assert (description.input_shape, description.output_shape) == ((3, 4), (2,))
    assert description.examples == 5
    (tmp_path / "i").write_bytes(idx_bytes(np.zeros((6, 4, 5))))
    (tmp_path / "l").write_bytes(idx_bytes(np.array([7, 8, 9, 7, 8, 9])))
    description = describe(spec_of(tmp_path, "images: i, labels: l, shape: [5, 4]"))
    assert (description.input_shape, description.output_shape) == ((5, 4), (3,))
    assert description.classes == ("7", "8", "9")


def test_shapes_are_checked_before_the_data_are_read(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,b,t\n" + "1,2,3\n" * 300 + "not,a,row,of,it\n")
    spec = spec_of(tmp_path, "path: t.csv", loss="mse", network="[{dense: 2}]")
    with pytest.raises(SpecError, match="needs 1 output; received 2"):
        prepare(spec)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("path: flower.csv", ":1:14: {folder}/flower.csv: no such file, at data.path; did you mean "
         "'flowers.csv'?"),
        ("path: flowers.csv, target: specis", ":1:35: {folder}/flowers.csv: no column 'specis', at "
         "data.target; did you mean 'species'?"),
        ("path: flowers.csv, shape: [3, 3]", ":1:34: `shape: [3, 3]` holds 9 values, an example of "
         "the data has 4, at data.shape"),
        ("path: flowers.csv, features: [size, sise]", ":1:37: {folder}/flowers.csv: no column "
         "'sise', at data.features; did you mean 'size'?"),
        ("path: flowers.csv, scale: 0", ":1:34: `scale: 0` would erase the inputs, at data.scale"),
        ("path: flowers.csv, split: {test: 0.01}", ":1:34: `split: {test: 0.01}` of 24 examples is "
         "0; each part needs an example or more, at data.split"),
        ("path: flowers.csv, test: {path: flower.csv}", ":1:40: {folder}/flower.csv: no such file, "
         "at data.test.path; did you mean 'flowers.csv'?"),
        ("path: flowers.csv, target: species, test: {path: flowers.csv, target: specis}", ":1:78: "
         "{folder}/flowers.csv: no column 'specis', at data.test.target; did you mean 'species'?"),
        ("path: flowers.json", ":1:14: {folder}/flowers.json: no such file, at data.path; did you "
         "mean 'flowers.csv'?"),
        ("path: gone/flowers.csv", ":1:14: {folder}/gone/flowers.csv: no such file, there is no "
         "folder {folder}/gone, at data.path"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_option_stands_at_its_line(
    flowers: Path, data: str, message: str
) -> None:
    spec = spec_of(flowers, data, network="[{dense: 2}]")
    with pytest.raises(SpecError) as caught:
        prepare(spec)
    assert str(caught.value) == "spec.yaml" + message.replace("{folder}", str(flowers))


def test_a_column_of_names_is_no_feature(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "who,a,t\n" + "".join(f"p{n},{n},{n % 2}\n" for n in range(150)))
    with pytest.raises(SpecError, match="column 'who' holds 150 different words, more than 100"):
        load(tmp_path, "path: t.csv")
    assert load(tmp_path, "path: t.csv, features: [a]").preparation.inputs.shape == (1,)


# loaded


def test_words_become_columns_of_their_own(flowers: Path) -> None:
    dataset = load(flowers, "path: flowers.csv")
    inputs, targets = dataset.train.slice(0, 3)
    np.testing.assert_array_equal(inputs, [[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 2]])
    np.testing.assert_array_equal(targets, [1, 0, 1])
    assert [f.words for f in dataset.preparation.inputs.features] == [
        ("blue", "green", "red"),
        None,
    ]


def test_a_word_that_only_a_held_back_part_has_is_all_zeros(tmp_path: Path) -> None:
    rows = "".join(f"w{n // 8},{n},{n % 2}\n" for n in range(24)) + "rare,1,0\n"
    write(tmp_path / "t.csv", "w,a,t\n" + rows)
    found = []
    for seed in range(20):
        dataset = load(tmp_path, f"path: t.csv, split: {{test: 0.4}}, seed: {seed}")
        held = dataset.test.slice(0, 99)[0]
        if dataset.preparation.inputs.shape == (4,):
            found.append((held[:, :3].sum(axis=1) == 0).sum())
    assert found
    assert set(found) == {1}


def test_the_same_word_in_another_file_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "w,t\nred,0\nblue,1\n")
    write(tmp_path / "b.csv", "w,t\nred,0\nblu,1\n")
    with pytest.raises(DataError, match=r"b\.csv:3: column 'w' holds 'blu', a word .* 'blue'"):
        load(tmp_path, "path: a.csv, test: {path: b.csv}")


MISSING = "w,a,t\nx,1,0\n,2,1\ny,,0\nx,inf,1\ny,5,1\n"


def test_missing_cells_are_an_error_with_row_and_column(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", MISSING)
    with pytest.raises(DataError) as caught:
        load(tmp_path, "path: t.csv")
    assert str(caught.value) == (
        f"{tmp_path}/t.csv:3: column 'w' holds nothing; say `missing: drop` to leave such rows out "
        "or `missing: mean` to fill them"
    )
    write(tmp_path / "u.csv", "a,t\n1,0\ninf,1\n")
    with pytest.raises(DataError, match=r"u\.csv:3: column 'a' holds 'inf'; say"):
        load(tmp_path, "path: u.csv")
    write(tmp_path / "v.csv", "a,t\n1,0\n2,\n")
    with pytest.raises(DataError, match=r"v\.csv:3: column 't' .* leave such rows out$"):
        load(tmp_path, "path: v.csv")  # a target cannot be filled


def test_missing_drop_leaves_rows_out(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", MISSING)
    inputs, targets = load(tmp_path, "path: t.csv, missing: drop").train.slice(0, 9)
    np.testing.assert_array_equal(inputs, [[1, 0, 1], [0, 1, 5]])
    np.testing.assert_array_equal(targets, [0, 1])


def test_missing_mean_fills_with_what_the_column_has(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", MISSING)
    inputs, _ = load(tmp_path, "path: t.csv, missing: mean").train.slice(0, 9)
    np.testing.assert_allclose(
        inputs, [[1, 0, 1], [0.5, 0.5, 2], [0, 1, 8 / 3], [1, 0, 8 / 3], [0, 1, 5]], rtol=1e-6
    )


def test_the_mean_is_that_of_the_training_part(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,t\n1,0\n3,1\n")
    write(tmp_path / "b.csv", "a,t\n,0\n100,1\n")
    dataset = load(tmp_path, "path: a.csv, test: {path: b.csv}, missing: mean, scale: standard")
    np.testing.assert_allclose(dataset.test.slice(0, 2)[0], [[0], [98]], atol=1e-6)


def test_targets_are_never_filled(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1,0.5\n2,\n3,2.5\n")
    for missing in ("", ", missing: mean"):
        with pytest.raises(DataError, match=r"t\.csv:3: column 't' holds nothing; .*drop"):
            load(tmp_path, f"path: t.csv{missing}", loss="mse")
    assert len(load(tmp_path, "path: t.csv, missing: drop", loss="mse").train) == 2


def test_nothing_but_gaps(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,b,t\n1,,0\n,2,1\n")
    with pytest.raises(SpecError, match="`missing: drop` leaves nothing"):
        load(tmp_path, "path: t.csv, missing: drop")
    write(tmp_path / "u.csv", "a,b,t\n1,,0\n2,,1\n")
    with pytest.raises(SpecError, match="column 'b' has no value in the training part"):
        load(tmp_path, "path: u.csv, missing: mean")


def test_values_too_large_for_float32(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1e300,0\n2,1\n")
    with pytest.raises(DataError, match="too large for float32"):
        load(tmp_path, "path: t.csv")
    assert np.isfinite(load(tmp_path, "path: t.csv, scale: 1e-299").train.slice(0, 2)[0]).all()


def test_batches_are_buffers_of_the_part(flowers: Path) -> None:
    part = load(flowers, "path: flowers.csv").train
    inputs, _ = part.take(np.array([3, 1, 3]))
    np.testing.assert_array_equal(inputs[:, 3], [3, 1, 3])
    assert part.take(np.array([0, 1, 2]))[0] is inputs
    assert part.take(np.array([0, 1]))[0] is not inputs
    whole, _ = part.slice(0, 99)
    assert whole.base is not None  # a view
    np.testing.assert_array_equal(whole[:, 3], np.arange(24))


def test_the_digest_follows_the_bytes(flowers: Path) -> None:
    data = "path: flowers.csv, target: species, validation: {path: more.csv}"
    write(flowers / "more.csv", FLOWERS)
    digest = load(flowers, data).digest
    content = FLOWERS.encode()
    assert digest == hashlib.sha256(content + content).hexdigest()
    assert digest == load(flowers, data + ", scale: standard").digest
    write(flowers / "more.csv", FLOWERS.replace("23", "24"))
    assert load(flowers, data).digest != digest


# kept and used again


def again(preparation: Preparation) -> Preparation:
    """As a run keeps it."""
    return Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))


@pytest.mark.parametrize("scale", ["none", "standard", "0.1"])
def test_a_preparation_survives_json(flowers: Path, scale: str) -> None:
    spec = spec_of(flowers, f"path: flowers.csv, scale: {scale}, split: {{test: 0.25}}")
    first = load_data(spec)
    kept = again(first.preparation)
    assert kept.to_dict() == first.preparation.to_dict()
    assert kept.description() == first.preparation.description()
    second = load_data(spec, kept)
    for name, part in first.parts.items():
        for ours, theirs in zip(second.parts[name].slice(0, 99), part.slice(0, 99), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_damaged_preparation() -> None:
    for kept in ({}, {"inputs": None, "targets": {}, "windows": None}, []):
        with pytest.raises(CheckpointError, match="damaged"):
            Preparation.from_dict(kept)


Way = tuple[str | int, ...]


def ways(kept: Any, way: Way = ()) -> Iterator[Way]:
    """To every value inside."""
    within = kept.items() if isinstance(kept, dict) else enumerate(kept)
    for key, value in within:
        yield (*way, key)
        if isinstance(value, dict | list):
            yield from ways(value, (*way, key))


def damaged(kept: Any, way: Way, value: Any) -> Any:
    """A copy with another value there."""
    first, *rest = way
    copy = kept.copy()
    copy[first] = damaged(kept[first], tuple(rest), value) if rest else value
    return copy


def test_values_of_another_type_in_a_preparation(flowers: Path) -> None:
    kept = load_data(spec_of(flowers, "path: flowers.csv, scale: standard")).preparation.to_dict()
    for way in ways(kept):
        with pytest.raises(CheckpointError, match="damaged"):
            Preparation.from_dict(damaged(kept, way, {"a": 1}))


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("inputs", "source_shape"), [3]),
        (("inputs", "shape"), [-2, -2]),
        (("inputs", "dtype"), "f"),
        (("inputs", "features"), []),
        (("inputs", "scaling", "factor"), [1.0]),
        (("inputs", "fill"), [1.0]),
        (("inputs", "codes"), 7),
        (("targets", "encoding"), "letters"),
        (("targets", "classes"), []),
        (("targets", "scaling"), {"offset": [0.0], "factor": [1.0]}),
        (("targets", "shape"), [0]),
    ],
)
def test_a_preparation_that_contradicts_itself(flowers: Path, way: Way, value: Any) -> None:
    kept = load_data(spec_of(flowers, "path: flowers.csv")).preparation.to_dict()
    with pytest.raises(CheckpointError, match="damaged"):
        Preparation.from_dict(damaged(kept, way, value))


def test_another_table_is_read_by_the_names_of_its_columns(flowers: Path) -> None:
    spec = spec_of(flowers, "path: flowers.csv, scale: standard")
    dataset = load_data(spec)
    write(flowers / "new.csv", "id;size;color\nx;3;red\ny;1;blue\n")
    part = read_part(spec, again(dataset.preparation), flowers / "new.csv", targets=False)
    np.testing.assert_array_equal(part.slice(0, 2)[0], dataset.train.take(np.array([3, 1]))[0])
    assert part.slice(0, 2)[1].shape == (2, 0)
    with pytest.raises(DataError, match="no column 'species'"):
        read_part(spec, dataset.preparation, flowers / "new.csv")
    write(flowers / "test.csv", "species,size,color\nlily,3,red\nrose,1,blue\n")
    _, targets = read_part(spec, dataset.preparation, flowers / "test.csv").slice(0, 2)
    np.testing.assert_array_equal(targets, [0, 1])


def test_another_table_that_does_not_fit(flowers: Path) -> None:
    spec = spec_of(flowers, "path: flowers.csv")
    preparation = load_data(spec).preparation
    for content, message in {
        "size\n1\n": "no column 'color'",
        "size,color\nbig,red\nsmall,red\n": "column 'size' holds numbers, received 'big'",
        "size,color\n1,pink\n": "a word that the training part does not have",
        "size,color\n1,\n": "column 'color' holds nothing",
    }.items():
        write(flowers / "new.csv", content)
        with pytest.raises(DataError, match=message):
            read_part(spec, preparation, flowers / "new.csv", targets=False)
    with pytest.raises(DataError, match="no such file"):
        read_part(spec, preparation, flowers / "gone.csv", targets=False)


def test_arrays_and_tables_of_numbers_stand_for_each_other(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,b,t\n1,2,0\n3,4,1\n")
    spec = spec_of(tmp_path, "path: t.csv, scale: standard")
    dataset = load_data(spec)
    np.savez(tmp_path / "a.npz", x=np.array([[1, 2], [3, 4]]), y=np.array([0, 1]))
    np.save(tmp_path / "x.npy", np.array([[1, 2], [3, 4]]))
    wanted = dataset.train.slice(0, 2)
    for name in ("a.npz", "x.npy"):
        part = read_part(spec, dataset.preparation, tmp_path / name, targets=False)
        np.testing.assert_array_equal(part.take(np.arange(2))[0], wanted[0])
    _, targets = read_part(spec, dataset.preparation, tmp_path / "a.npz").slice(0, 2)
    np.testing.assert_array_equal(targets, wanted[1])
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 3)), y=np.array([0, 1]))
    with pytest.raises(DataError, match=r"expected examples with shape \(2,\) .* received"):
        read_part(spec, dataset.preparation, tmp_path / "b.npz", targets=False)

    spec = spec_of(tmp_path, "path: b.npz")
    preparation = load_data(spec_of(tmp_path, "path: b.npz, shape: [3, 1]")).preparation
    write(tmp_path / "c.csv", "p,q,r\n1,2,3\n")
    part = read_part(spec, preparation, tmp_path / "c.csv", targets=False)
    np.testing.assert_array_equal(part.slice(0, 1)[0], [[[1], [2], [3]]])
    with pytest.raises(DataError, match="expected 3 columns of inputs as in training, received 2"):
        read_part(spec, preparation, write(tmp_path / "d.csv", "p,q\n1,2\n"), targets=False)


def test_images_are_predicted_from_images(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "i").write_bytes(idx_bytes(images))
    (tmp_path / "l").write_bytes(idx_bytes(np.array([0, 1])))
    spec = spec_of(tmp_path, "images: i, labels: l, scale: 0.5")
    preparation = load_data(spec).preparation
    part = read_part(spec, preparation, tmp_path / "i", targets=False)
    np.testing.assert_array_equal(part.slice(0, 2)[0], images[..., np.newaxis] / 2)


def test_codes_for_an_embedding(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 7, (30, 5))
    codes[3, 2] = 6
    np.savez(tmp_path / "a.npz", x=codes, y=np.arange(30) % 3)
    network = "[{embedding: 4}, flatten, {dense: 3}]"
    spec = spec_of(tmp_path, "path: a.npz", network=network)
    dataset, built = prepare(spec)
    inputs, _ = dataset.train.slice(0, 30)
    assert inputs.dtype == np.int64
    np.testing.assert_array_equal(inputs, codes)
    assert built.parameters["embedding_1.weight"].shape == (7, 4)
    assert build_network(spec).parameters["embedding_1.weight"].shape == (7, 4)

    np.savez(tmp_path / "b.npz", x=codes + 1, y=np.arange(30) % 3)
    with pytest.raises(DataError, match="holds the code 7; training had codes 0 to 6"):
        read_part(spec, dataset.preparation, tmp_path / "b.npz")
    np.savez(tmp_path / "a.npz", x=codes / 2, y=np.arange(30) % 3)
    with pytest.raises(SpecError, match=r"2:11: an embedding takes codes, whole numbers from 0"):
        prepare(spec)
    np.savez(tmp_path / "a.npz", x=codes, y=np.arange(30) % 3)
    small = network.replace("4", "{dimension: 4, vocabulary: 6}")
    with pytest.raises(SpecError, match=r"vocabulary must be at least 7, .*; received 6"):
        prepare(spec_of(tmp_path, "path: a.npz", network=small))


KINDS = {
    "words": ("path: words.csv", "cross_entropy"),
    "numbers": ("path: numbers.csv", "mse"),
    "archive": ("path: a.npz", "cross_entropy"),
    "pair": ("inputs: x.npy, targets: y.npy", "cross_entropy"),
    "images": ("images: i, labels: l", "cross_entropy"),
    "generated": ("generate: xor", "binary_cross_entropy"),
    "text": ("path: t.txt, sequence_length: 4", "cross_entropy"),
    "series": ("path: numbers.csv, window: 2", "mse"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_data_of_every_other_kind_fit_or_are_refused(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "words.csv", FLOWERS)
    write(tmp_path / "numbers.csv", "a,b,t\n" + "".join(f"{n},{n % 5},{n % 2}\n" for n in range(9)))
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2)), y=np.arange(6) % 2)
    np.save(tmp_path / "x.npy", np.zeros((6, 2)))
    np.save(tmp_path / "y.npy", np.arange(6) % 2)
    (tmp_path / "i").write_bytes(idx_bytes(np.zeros((6, 4, 5))))
    (tmp_path / "l").write_bytes(idx_bytes(np.arange(6) % 2))
    write(tmp_path / "t.txt", "abcd\n" * 9)
    data, loss = KINDS[kind]
    spec = spec_of(tmp_path, data, loss=loss)
    preparation = load_data(spec).preparation
    read = 0
    for file in sorted(tmp_path.iterdir()):
        for targets in (True, False):
            try:
                part = read_part(spec, preparation, file, targets=targets)
                part.take(np.array([0]))
            except BpcliError as error:
                assert str(tmp_path) in str(error)  # noqa: PT017  either is right
            else:
                read += 1
    assert read > 0
    for other, _ in KINDS.values():
        source = other.split(", sequence")[0].split(", window")[0]
        try:
            load(tmp_path, f"{data}, test: {{{source}}}", loss=loss)
        except BpcliError as error:
            named = ("spec.yaml", str(tmp_path), "generate: xor")
            assert any(name in str(error) for name in named)  # noqa: PT017


def test_every_error_is_one_for_people(tmp_path: Path) -> None:
    """Bytes of any kind under any name: read, or refused with the file's name."""
    random = np.random.default_rng(0)
    contents = [b"", b"\0" * 50, b"\x1f\x8b" + bytes(20), b"PK\x03\x04" + bytes(40), b'"']
    contents += [b"\x93NUMPY", b"a,b\n\xff\xfe", b",,,\n,,,\n", b"\n\n", b"a;b\n1;2\n3;4\n"]
    contents += [random.bytes(int(size)) for size in random.integers(1, 400, 30)]
    for name in ("t.csv", "t.csv.gz", "t.npz", "t.txt"):
        for content in contents:
            (tmp_path / name).write_bytes(content)
            data = f"path: {name}" + (", sequence_length: 4" if name == "t.txt" else "")
            message = f"{name} spec.yaml"  # what is read is fine as well
            try:
                load(tmp_path, data)
            except BpcliError as error:
                message = str(error)
            assert name in message or "spec.yaml" in message
