"""Texts and series: windows in time order, nothing of the future in what was fitted."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.build import build_network, prepare
from bpcli.data import Part, Preparation, describe, load_data, read_part
from bpcli.data.sequences import windows_of
from bpcli.data.sources.text import Text
from bpcli.data.windows import WindowPart, Windows
from bpcli.errors import BpcliError, DataError, SpecError
from bpcli.spec import dump_spec, parse_spec, resolve_paths

from .support import load, spec_of, write

# windows


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 60), st.data())
def test_windows_ask_for_rows_of_their_part_alone(
    length: int, asked: int, count: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, count))
    series, text = Windows(length, length, asked, 1), Windows(length, 1, length, length)
    for windows in (series, text):
        for begin, end in ((0, cut), (cut, count)):
            starts = windows.starts(begin, end)
            asked_for = starts + windows.ahead
            assert (starts >= 0).all()
            assert (asked_for >= begin).all()
            assert (asked_for + windows.asked <= end).all()
            assert (starts + windows.length <= end).all()
    if cut >= length and count - cut >= asked:  # every forecast that can be asked for is
        assert len(series.starts(cut, count)) == count - cut - asked + 1
    predicted = [c for s in text.starts(cut, count) for c in range(s + 1, s + 1 + length)]
    assert predicted == [*range(max(1, cut), max(1, cut) + len(predicted))]
    assert max(0, count - max(1, cut)) - len(predicted) < length


def test_a_batch_gathers_its_windows() -> None:
    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    windows = Windows(length=3, ahead=3, asked=2, step=1)
    part = WindowPart(rows, rows[:, :1], windows.starts(0, 10), windows, (2,))
    inputs, targets = part.take(np.array([5, 0]))
    np.testing.assert_array_equal(inputs, [rows[5:8], rows[0:3]])
    np.testing.assert_array_equal(targets, [[16, 18], [6, 8]])
    assert part.take(np.array([1, 2]))[0] is inputs  # a buffer
    assert len(part) == 6
    assert part.slice(4, 99)[0].shape == (2, 3, 2)


# texts

POEM = "Wer reitet so spät\ndurch Nacht und Wind?\n" * 30


def decoded(part: Part, vocabulary: tuple[str, ...]) -> list[tuple[str, str]]:
    inputs, targets = part.slice(0, len(part))
    return [
        ("".join(vocabulary[c] for c in x), "".join(vocabulary[c] for c in t))
        for x, t in zip(inputs, targets, strict=True)
    ]


@pytest.mark.parametrize("name", ["poem.txt", "poem.txt.gz"])
def test_every_character_is_asked_for_once(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, POEM)
    dataset = load(tmp_path, f"path: {name}, sequence_length: 7")
    inputs, targets = dataset.train.slice(0, 2)
    assert (inputs.dtype, targets.dtype) == (np.int64, np.int64)
    pairs = decoded(dataset.train, dataset.preparation.characters)
    assert "".join(x for x, _ in pairs) == POEM[: 7 * len(pairs)]
    assert "".join(t for _, t in pairs) == POEM[1 : 7 * len(pairs) + 1]
    assert len(pairs) == (len(POEM) - 1) // 7


def test_parts_of_a_text_follow_each_other(tmp_path: Path) -> None:
    write(tmp_path / "poem.txt", POEM)
    data = "path: poem.txt, sequence_length: 5, split: {validation: 0.2, test: 0.1}"
    dataset = load(tmp_path, data)
    vocabulary = dataset.preparation.characters
    begin = 0
    count = len(POEM)
    sizes = {"train": count - round(0.2 * count) - round(0.1 * count),
             "validation": round(0.2 * count), "test": round(0.1 * count)}  # fmt: skip
    for name, size in sizes.items():
        asked = "".join(t for _, t in decoded(dataset.parts[name], vocabulary))
        first = max(begin, 1)  # the first character of all is never asked for
        assert asked == POEM[first : first + len(asked)]
        assert begin + size - first - len(asked) < 5
        begin += size


def test_a_text_is_described_and_built(tmp_path: Path) -> None:
    write(tmp_path / "poem.txt", POEM)
    count = len(set(POEM))
    network = f"[{{embedding: 8}}, {{dense: {count}}}]"
    spec = spec_of(tmp_path, "path: poem.txt, sequence_length: 6", network=network)
    description = describe(spec)
    assert (description.input_shape, description.output_shape) == ((6,), (6, count))
    assert description.classes == tuple(sorted(set(POEM)))
    assert description.vocabulary == count
    dataset, built = prepare(spec)
    assert dataset.preparation.description().output_shape == description.output_shape
    inputs, targets = dataset.train.take(np.array([1, 5]))
    loss, _ = built.loss_and_gradients(inputs, targets)
    assert loss < 2 * np.log(count)
    assert build_network(spec).parameters["embedding_1.weight"].shape == (count, 8)


def test_line_ends_and_byte_order_marks_are_not_learned(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + b"ab\r\ncd\re\nf" * 9)
    preparation = load(tmp_path, "path: a.txt, sequence_length: 3").preparation
    assert preparation.characters == ("\n", *"abcdef")


def test_another_text_keeps_to_the_vocabulary(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "abc\n" * 20)
    write(tmp_path / "b.txt", "cab\n" * 20)
    spec = spec_of(tmp_path, "path: a.txt, sequence_length: 4, test: {path: b.txt}")
    dataset = load_data(spec)
    assert decoded(dataset.test, dataset.preparation.characters)[0] == ("cab\n", "ab\nc")
    kept = Preparation.from_dict(json.loads(json.dumps(dataset.preparation.to_dict())))
    assert kept.characters == ("\n", "a", "b", "c")
    part = read_part(spec, kept, tmp_path / "b.txt")
    assert decoded(part, kept.characters)[0] == ("cab\n", "ab\nc")
    write(tmp_path / "c.txt", "abc\nab!c\n" + "abc\n" * 20)
    with pytest.raises(DataError, match=r"c\.txt:2:3: the character '!' does not occur"):
        read_part(spec, kept, tmp_path / "c.txt")


def test_a_text_is_tested_on_a_text(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "abc\n" * 20)
    write(tmp_path / "b.csv", "x,y\n1,2\n3,4\n")
    spec = spec_of(tmp_path, "path: a.txt, sequence_length: 4, test: {path: b.csv}")
    with pytest.raises(SpecError, match=r"^spec\.yaml:1:\d+: .*b\.csv: .* at data\.test\.path$"):
        load_data(spec)
    with pytest.raises(DataError, match=r"b\.csv: expected a text"):
        read_part(
            spec, load(tmp_path, "path: a.txt, sequence_length: 4").preparation, tmp_path / "b.csv"
        )


def test_a_long_text_is_not_held_twice(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "The whale, the whale! " * 200_000)  # 4.4 million characters
    tracemalloc.start()
    dataset = load(tmp_path, "path: a.txt, sequence_length: 128")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 << 20  # a byte a character, and the starts
    assert peak < 64 << 20
    assert dataset.train.take(np.arange(64))[0].shape == (64, 128)


TEXT_MISTAKES = [
    ("path: a.txt", "cross_entropy", "[{embedding: 2}, {dense: 4}]",
     ":1:7: a text needs a sequence_length"),
    ("path: a.txt, sequence_length: 4", "mse", "[{embedding: 2}, {dense: 4}]",
     ":1:38: the next character is learned with cross_entropy, received mse"),
    ("path: a.txt, sequence_length: 4", "cross_entropy", "[{dense: 4}]",
     ":2:11: text needs an embedding first, like `embedding: 32`; received dense, at network.0"),
    ("path: a.txt, sequence_length: 4", "cross_entropy", "[{embedding: 2}, {dense: 3}]",
     ":2:27: cross_entropy on these data needs outputs of shape (4, 4), at each position one for "
     "each of the 4 characters; received outputs of shape (4, 3)"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{repeat: {times: 2, layers: [{lstm: 4}]}}, {dense: 4}]",
     ":2:40: text needs an embedding first, like `embedding: 32`; received lstm, at "
     "network.0.repeat.layers.0"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{repeat: {times: 1, layers: [{embedding: {dimension: 2, vocabulary: 3}}]}}, {dense: 4}]",
     ":2:79: vocabulary must be at least 4, as the data have; received 3, at "
     "network.0.repeat.layers.0.embedding.vocabulary"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{embedding: 2}, {lstm: {units: 3, return: last}}, dropout, {dense: 4}]",
     ":2:70: cross_entropy on these data needs outputs of shape (4, 4), at each position one for "
     "each of the 4 characters; received 4 outputs, at network.3 (dense_1); lstm_1 gives up "
     "positions: say `return: sequence` there"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{embedding: 2}, flatten, {dense: 4}]",
     ":2:36: cross_entropy on these data needs outputs of shape (4, 4), at each position one for "
     "each of the 4 characters; received 4 outputs, at network.2 (dense_1); flatten_1 gives up "
     "positions: leave it out"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{embedding: 2}, {residual: [{conv1d: 2}]}, {max_pool1d: 2}, {dense: 4}]",
     ":2:71: cross_entropy on these data needs outputs of shape (4, 4), at each position one for "
     "each of the 4 characters; received outputs of shape (2, 4), at network.3 (dense_1); "
     "max_pool1d_1 gives up positions: say `stride: 1` and `padding: same` there, or leave it out"),
    ("path: a.txt, sequence_length: 4, target_scale: standard", "cross_entropy", "[{embedding: 2}]",
     ":1:55: target_scale is for numbers; the targets of a text are characters"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{embedding: 2}, {gru: {units: 3, return: last}}, {gru: 3}, {dense: 4}]",
     ":2:60: gru reads a sequence, (time, features), received shape (3,); text needs an embedding "
     "first, a table `shape: [time, features]`, and a recurrent layer before this one `return: "
     "sequence`, at network.2 (gru_2)"),
    ("path: a.txt, sequence_length: 4", "cross_entropy",
     "[{embedding: 2}, {residual: [{gru: {units: 2, return: last}}]}, {dense: 4}]",
     ":2:27: residual adds its input to what its layers give, so both must have one shape: "
     "expected (4, 2), received (2,); say `return: sequence` in gru_1, at network.1 (residual_1)"),
    ("path: one.txt, sequence_length: 4", "cross_entropy", "[{embedding: 2}, {dense: 1}]",
     ":1:14: a text needs two or more different characters, this one is 'a' throughout"),
    ("path: a.txt, sequence_length: 4000", "cross_entropy", "[{embedding: 2}, {dense: 4}]",
     ":1:38: the train part has 80 characters, an example takes 4,001; give it more, or make "
     "`sequence_length` shorter, at data.sequence_length"),
    ("path: a.txt, sequence_length: 4, scale: standard", "cross_entropy", "[{embedding: 2}]",
     ":1:48: scale is for numbers"),
    ("path: a.txt, sequence_length: 4, target: x", "cross_entropy", "[{embedding: 2}]",
     ":1:49: target is for tables"),
    ("path: a.txt, sequence_length: 4, missing: drop", "cross_entropy", "[{embedding: 2}]",
     ":1:50: missing is for tables and arrays"),
    ("path: a.csv, sequence_length: 4", "cross_entropy", "[{dense: 4}]",
     ":1:38: sequence_length is for text"),
    ("path: a.txt, sequence_lenght: 4", "cross_entropy", "[{embedding: 2}]",
     ":1:21: unknown option 'sequence_lenght' at data; did you mean 'sequence_length'?"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "loss", "network", "message"), TEXT_MISTAKES)
def test_mistakes_with_texts(
    tmp_path: Path, data: str, loss: str, network: str, message: str
) -> None:
    write(tmp_path / "a.txt", "abc\n" * 20)
    write(tmp_path / "one.txt", "a" * 80)
    with pytest.raises(SpecError) as caught:
        prepare(spec_of(tmp_path, data, loss=loss, network=network))
    assert f"spec.yaml{message}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"abc\xff" * 9, "not UTF-8 text"),
        (b"ab\0c" * 9, "not a text file"),
        (gzip.compress(b"abc" * 99, mtime=0)[:-4], "damaged or cut short"),
        (gzip.compress(b"a" * (80 << 20), mtime=0), "refused, .* unpack to"),
    ],
    ids=["empty", "not UTF-8", "zeros", "cut short", "bomb"],
)
def test_texts_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path, "path: a.txt, sequence_length: 2")


@pytest.mark.parametrize(
    ("data", "loss"),
    [("path: a.txt, sequence_length: 4", "cross_entropy"),
     ("path: a.csv, window: 4, horizon: 2", "mse")],
)  # fmt: skip
def test_a_spec_keeps_its_windows(tmp_path: Path, data: str, loss: str) -> None:
    spec = spec_of(tmp_path, data, loss=loss)
    resolved = parse_spec(dump_spec(resolve_paths(spec)))
    assert resolved.data.path == str(tmp_path / spec.data.path)
    assert windows_of(resolved.data) == windows_of(spec.data) is not None


# series


def series(folder: Path, rows: int = 40, gaps: tuple[int, ...] = ()) -> np.ndarray:
    """A table of a day and two series, with gaps in the first."""
    values = np.stack([np.arange(rows) ** 1.5, 100.0 - np.arange(rows)], axis=1)
    lines = [
        f"2020-01-{n},{'' if n in gaps else repr(float(a))},{float(b)!r}"
        for n, (a, b) in enumerate(values)
    ]
    write(folder / "s.csv", "day,a,b\n" + "\n".join(lines) + "\n")
    return values


def test_a_series_goes_on_from_itself(tmp_path: Path) -> None:
    values = series(tmp_path)
    dataset = load(tmp_path, "path: s.csv, target: a, window: 4, horizon: 2", loss="mse")
    inputs, targets = dataset.train.slice(0, 99)
    assert (inputs.shape, targets.shape) == ((35, 4, 1), (35, 2))
    np.testing.assert_allclose(inputs[7, :, 0], values[7:11, 0], rtol=1e-6)
    np.testing.assert_allclose(targets[7], values[11:13, 0], rtol=1e-6)
    assert dataset.preparation.targets.names == ("a+1", "a+2")
    assert len(load(tmp_path, "path: s.csv, window: 4", loss="mse").train) == 36


def test_several_columns_in_and_out(tmp_path: Path) -> None:
    values = series(tmp_path)
    data = "path: s.csv, target: [b, a], features: [a, b], window: 3, horizon: 2"
    dataset = load(tmp_path, data, loss="mse")
    inputs, targets = dataset.train.take(np.array([5]))
    np.testing.assert_allclose(inputs[0], values[5:8], rtol=1e-6)
    np.testing.assert_allclose(targets[0], values[8:10, ::-1].ravel(), rtol=1e-6)
    assert dataset.preparation.targets.names == ("b+1", "a+1", "b+2", "a+2")


def test_held_back_rows_are_the_last_and_are_not_looked_at(tmp_path: Path) -> None:
    values = series(tmp_path)
    data = "path: s.csv, target: a, window: 4, horizon: 2, split: {validation: 0.25, test: 0.25}"
    dataset = load(tmp_path, f"{data}, scale: standard, target_scale: minmax", loss="mse")
    targets = dataset.preparation.targets
    for part, (begin, end) in {"train": (4, 20), "validation": (20, 30), "test": (30, 40)}.items():
        asked = targets.unscale(dataset.parts[part].slice(0, 99)[1])
        wanted = np.lib.stride_tricks.sliding_window_view(values[begin:end, 0], 2)
        np.testing.assert_allclose(asked, wanted, rtol=1e-5, atol=1e-5)
    mean, deviation = values[:20, 0].mean(), values[:20, 0].std()
    scaled = dataset.test.slice(0, 1)[0][0, :, 0]
    np.testing.assert_allclose(scaled, (values[26:30, 0] - mean) / deviation, rtol=1e-5)
    assert dataset.train.slice(0, 99)[1].max() == pytest.approx(1)
    assert dataset.test.slice(0, 99)[1].min() > 1  # the scale is that of the training rows


def test_gaps_are_an_error_unless_allowed(tmp_path: Path) -> None:
    series(tmp_path, gaps=(7, 30))
    data = "path: s.csv, target: a, window: 4"
    with pytest.raises(DataError, match=r"s\.csv:9: column 'a' holds nothing; say `missing: drop`"):
        load(tmp_path, data, loss="mse")


@pytest.mark.parametrize("missing", ["drop", "mean"])
def test_no_window_asks_for_a_gap(tmp_path: Path, missing: str) -> None:
    values = series(tmp_path, gaps=(7, 30))
    data = f"path: s.csv, target: a, window: 4, horizon: 2, missing: {missing}"
    dataset = load(tmp_path, data, loss="mse")
    inputs, targets = dataset.train.slice(0, 99)
    asked = [s for s in range(35) if not {7, 30} & {s + 4, s + 5}]
    if missing == "drop":
        asked = [s for s in asked if not {7, 30} & {*range(s, s + 4)}]
    np.testing.assert_allclose(targets, [values[s + 4 : s + 6, 0] for s in asked], rtol=1e-6)
    filled = values[:, 0].copy()
    filled[[7, 30]] = np.delete(filled, [7, 30]).mean()
    np.testing.assert_allclose(inputs[..., 0], [filled[s : s + 4] for s in asked], rtol=1e-6)


def test_a_forecast_reaches_beyond_the_last_row(tmp_path: Path) -> None:
    values = series(tmp_path)
    data = "path: s.csv, target: a, window: 4, horizon: 2, scale: standard, target_scale: standard"
    spec = spec_of(tmp_path, data, loss="mse")
    dataset = load_data(spec)
    kept = Preparation.from_dict(json.loads(json.dumps(dataset.preparation.to_dict())))
    write(tmp_path / "new.csv", "a\n" + "\n".join(map(repr, values[:6, 0].tolist())) + "\n")
    part = read_part(spec, kept, tmp_path / "new.csv", targets=False)
    assert len(part) == 3
    inputs, targets = part.slice(0, 9)
    np.testing.assert_array_equal(inputs, dataset.train.slice(0, 3)[0])
    assert targets.shape == (3, 0)
    _, known = read_part(spec, kept, tmp_path / "new.csv").slice(0, 9)
    np.testing.assert_array_equal(known, dataset.train.slice(0, 1)[1])
    decoded = kept.targets.decode(known)
    assert decoded.columns == ("a+1", "a+2")
    np.testing.assert_allclose(decoded.values, [values[4:6, 0]], rtol=1e-5)


SERIES_MISTAKES = [
    ("path: s.csv, horizon: 2", "mse", "horizon is how many rows are forecast from a window"),
    ("path: s.npz, window: 2", "mse", "window is for tables"),
    ("path: s.csv, window: 2, shape: [2]", "mse", "shape is not for text and series"),
    ("path: s.csv, window: 2", "cross_entropy", "a series is forecast with a loss of numbers"),
    ("path: s.csv, window: 2, target: day", "mse", "the target of a series must hold numbers"),
    (
        "path: s.csv, window: 50",
        "mse",
        "the train part has 40 rows, an example takes 51 without gaps; give it more, or make "
        "`window` shorter, at data.window",
    ),
    (
        "path: s.csv, window: 1, horizon: 50",
        "mse",
        "make `window` or `horizon` shorter, at data.horizon",
    ),
    (
        "path: s.csv, window: 2, validation: {path: short.csv}",
        "mse",
        "short.csv has 2 rows, an example takes 3 without gaps; give it more, at "
        "data.validation.path",
    ),
    ("path: s.csv, window: 2, split: {test: 0.01}", "mse", "leaves the test part of 40 rows empty"),
    ("path: s.csv, window: 2, horizon: 9, split: {test: 0.1}", "mse", "the test part has 4 rows"),
    ("path: s.csv, window: 2, target: c", "mse", "no column 'c'"),
]


@pytest.mark.parametrize(("data", "loss", "message"), SERIES_MISTAKES)
def test_mistakes_with_series(tmp_path: Path, data: str, loss: str, message: str) -> None:
    series(tmp_path)
    np.savez(tmp_path / "s.npz", x=np.zeros((4, 2)), y=np.zeros(4))
    write(tmp_path / "short.csv", "day,a,b\n1,2,3\n2,3,4\n")
    with pytest.raises(SpecError, match=message) as caught:
        load(tmp_path, data, loss=loss)
    assert str(caught.value).startswith("spec.yaml:1:")


def test_a_series_is_described_by_its_head(tmp_path: Path) -> None:
    series(tmp_path)
    data = "path: s.csv, target: [a, b], window: 5, horizon: 3"
    description = describe(spec_of(tmp_path, data, loss="mse"))
    assert (description.input_shape, description.output_shape) == ((5, 2), (6,))
    with pytest.raises(BpcliError, match="mse on these data needs 6 outputs; received 1 output"):
        prepare(spec_of(tmp_path, data, loss="mse", network="[flatten, {dense: 1}]"))
    for layers, advice in {
        "{gru: 3}, {dense: 6}": "say `return: last` in gru_1, or put",
        "{conv1d: 3}, {dense: 6}": "put",
    }.items():
        with pytest.raises(SpecError) as caught:
            prepare(spec_of(tmp_path, data, loss="mse", network=f"[{layers}]"))
        assert f"; {advice} flatten or global_avg_pool1d before dense_1" in str(caught.value)


def test_a_forecast_needs_a_window_alone(tmp_path: Path) -> None:
    series(tmp_path)
    spec = spec_of(tmp_path, "path: s.csv, target: a, window: 4, horizon: 2", loss="mse")
    kept = load_data(spec).preparation
    write(tmp_path / "new.csv", "a\n1\n2\n3\n")
    for targets, needed in ((False, 4), (True, 6)):
        with pytest.raises(DataError, match=rf"new\.csv has 3 rows, an example takes {needed} wit"):
            read_part(spec, kept, tmp_path / "new.csv", targets=targets)


def test_a_horizon_beyond_the_data_takes_no_memory(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "y\n1\n2\n3\n4\n")
    with pytest.raises(SpecError, match="4 rows, an example takes 100,000,000,000,001 without"):
        load(
            tmp_path,
            "path: a.csv, target: y, window: 1, horizon: 100000000000000",
            loss="mse",
            network="[flatten, {dense: 1}]",
        )


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_text_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "a.txt", "abcabcabc")
    text = Text(path)
    assert len(text.vocabulary) == 3
    write(path, "abcabcabcabc" if change == "grows" else "abc")
    if change == "grows":
        assert len(text.read().inputs) == 9
    else:
        with pytest.raises(DataError, match="became shorter while it was read"):
            text.read()
