"""The loss decides what targets are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bpcli.build import prepare
from bpcli.data import Dataset
from bpcli.errors import DataError, SpecError

from .support import load, spec_of, write


def of(folder: Path, targets: list[object], loss: str, network: str = "") -> Dataset:
    """A data set of one input column and these targets."""
    header = "a,t" if not isinstance(targets[0], tuple) else "a,t,u"
    cells = [t if isinstance(t, tuple) else (t,) for t in targets]
    rows = "".join(f"{n},{','.join(map(str, row))}\n" for n, row in enumerate(cells))
    write(folder / "t.csv", f"{header}\n{rows}")
    target = "[t, u]" if header == "a,t,u" else "t"
    return load(folder, f"path: t.csv, target: {target}", loss=loss, network=network)


def encoded(dataset: Dataset) -> np.ndarray:
    return dataset.train.slice(0, len(dataset.train))[1]


def test_cross_entropy_takes_class_numbers(tmp_path: Path) -> None:
    dataset = of(tmp_path, ["cat", "ant", "cat", "bee"], "cross_entropy")
    assert dataset.preparation.targets.classes == ("ant", "bee", "cat")
    np.testing.assert_array_equal(encoded(dataset), [2, 0, 2, 1])
    assert encoded(dataset).dtype == np.int64
    assert dataset.preparation.targets.shape == (3,)


def test_numbers_are_classes_in_numeric_order(tmp_path: Path) -> None:
    dataset = of(tmp_path, [10, 9, 100, 9], "cross_entropy")
    assert dataset.preparation.targets.classes == ("9", "10", "100")
    np.testing.assert_array_equal(encoded(dataset), [1, 0, 2, 0])


def test_binary_cross_entropy_takes_two_classes_and_one_output(tmp_path: Path) -> None:
    dataset = of(tmp_path, ["no", "yes", "no"], "binary_cross_entropy")
    np.testing.assert_array_equal(encoded(dataset), [[0], [1], [0]])
    assert encoded(dataset).dtype == np.float32
    decoded = dataset.preparation.targets.decode(np.array([[0.0], [30], [-1]]))
    assert decoded.labels == ("no", "yes", "no")
    np.testing.assert_allclose(decoded.values.sum(axis=1), 1)
    assert decoded.values[1, 1] == pytest.approx(1)


def test_binary_cross_entropy_takes_columns_of_flags(tmp_path: Path) -> None:
    dataset = of(tmp_path, [(0, 1), (1, 1)], "binary_cross_entropy")
    np.testing.assert_array_equal(encoded(dataset), [[0, 1], [1, 1]])
    assert dataset.preparation.targets.kind == "binary"
    decoded = dataset.preparation.targets.decode(np.zeros((1, 2)))
    assert (decoded.columns, decoded.labels) == (("t", "u"), None)
    np.testing.assert_array_equal(decoded.values, [[0.5, 0.5]])


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_losses_of_numbers_take_numbers(tmp_path: Path, loss: str) -> None:
    dataset = of(tmp_path, [1.5, -2, 0], loss)
    np.testing.assert_array_equal(encoded(dataset), [[1.5], [-2], [0]])
    dataset = of(tmp_path, [(1, 2), (3, 4)], loss)
    np.testing.assert_array_equal(encoded(dataset), [[1, 2], [3, 4]])


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_losses_of_numbers_take_classes_one_hot(tmp_path: Path, loss: str) -> None:
    dataset = of(tmp_path, ["b", "a", "c"], loss)
    np.testing.assert_array_equal(encoded(dataset), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    decoded = dataset.preparation.targets.decode(np.array([[0.2, 0.1, 0.0]]))
    assert decoded.labels == ("a",)
    np.testing.assert_array_equal(decoded.values, [[0.2, 0.1, 0.0]])  # no logits, no softmax


def test_exclusive_or_with_one_output(tmp_path: Path) -> None:
    dataset = load(tmp_path, "generate: xor", loss="mse", network="[{dense: 1}, sigmoid]")
    np.testing.assert_array_equal(encoded(dataset), [[0], [1], [1], [0]])
    assert dataset.preparation.targets.decode(np.array([[0.7]])).labels == ("1",)
    dataset = load(tmp_path, "generate: xor", loss="mse", network="[{dense: 2}]")
    np.testing.assert_array_equal(encoded(dataset), [[1, 0], [0, 1], [0, 1], [1, 0]])


def test_probabilities_come_from_logits(tmp_path: Path) -> None:
    targets = of(tmp_path, ["a", "b", "c"], "cross_entropy").preparation.targets
    decoded = targets.decode(np.array([[1000.0, 999, 0]], np.float32))
    np.testing.assert_allclose(decoded.values, [[1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0]])
    assert decoded.labels == ("a",)


MISTAKES = [
    ([n / 7 for n in range(30)], "cross_entropy", "for numbers use `loss: mse`"),
    (["x", "x"], "cross_entropy", "needs two or more classes"),
    (["a", "b", "c"], "binary_cross_entropy", "takes a target with two classes, received 3"),
    (["a", "a"], "binary_cross_entropy", "received 1 (a); there is nothing to tell apart"),
    ([(0, 1), (1, 0)], "cross_entropy", "takes one column of classes, received 2 columns"),
]  # fmt: skip


@pytest.mark.parametrize(("targets", "loss", "message"), MISTAKES)
def test_targets_that_do_not_fit_the_loss(
    tmp_path: Path, targets: list[object], loss: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        of(tmp_path, targets, loss)
    assert message in str(caught.value)
    assert "at data.target" in str(caught.value)
    assert str(caught.value).startswith("spec.yaml:1:")


def test_flags_that_are_neither_0_nor_1_have_their_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv:3: column 'u' holds '2'; .* takes 0 or 1"):
        of(tmp_path, [(0, 1), (1, 2)], "binary_cross_entropy")


def test_flags_have_their_place_in_a_part_too(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 2},{1 if n < 17 else 3}\n" for n in range(20))
    write(tmp_path / "t.csv", f"a,t,u\n{rows}")
    for seed in range(3):
        data = f"path: t.csv, target: [t, u], split: {{test: 0.5}}, seed: {seed}"
        with pytest.raises(DataError, match=r"t\.csv:(19|20|21): column 'u' holds '3'"):
            load(tmp_path, data, loss="binary_cross_entropy")


def test_a_class_that_training_does_not_know(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,t\n1,x\n2,y\n")
    write(tmp_path / "b.csv", "a,t\n1,x\n2,z\n")
    with pytest.raises(DataError, match=r"b\.csv:3: class 'z' does not occur .* classes are x, y"):
        load(tmp_path, "path: a.csv, test: {path: b.csv}")


def test_target_scale_is_for_numbers(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,t\n1,x\n2,y\n")
    with pytest.raises(SpecError, match=r"spec\.yaml:1:35: `target_scale` is for numeric targets"):
        load(tmp_path, "path: a.csv, target_scale: standard")


OUTPUTS = [
    ("cross_entropy", ["a", "b", "c"], "[{dense: 2}]",
     "spec.yaml:2:11: cross_entropy on these data needs 3 outputs, one for each class (a, b, c); "
     "received 2 outputs, at network.0 (dense_1)"),
    ("binary_cross_entropy", ["a", "b"], "[{dense: 3}, {dense: 2}]",
     "spec.yaml:2:23: binary_cross_entropy on these data needs 1 output; received 2 outputs, at "
     "network.1 (dense_2)"),
    ("mse", [(1, 2), (3, 4)], "[{dense: 1}]",
     "spec.yaml:2:11: mse on these data needs 2 outputs; received 1 output, "
     "at network.0 (dense_1)"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "targets", "network", "message"), OUTPUTS)
def test_outputs_must_be_what_the_targets_ask_for(
    tmp_path: Path, loss: str, targets: list[object], network: str, message: str
) -> None:
    of(tmp_path, targets, loss)
    target = "[t, u]" if isinstance(targets[0], tuple) else "t"
    spec = spec_of(tmp_path, f"path: t.csv, target: {target}", loss=loss, network=network)
    with pytest.raises(SpecError) as caught:
        prepare(spec)
    assert str(caught.value) == message


@pytest.mark.parametrize("size", ["1e200", "-3e155", "1e-200"])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_numbers_whose_squares_are_none_are_refused(tmp_path: Path, size: str, scale: str) -> None:
    write(tmp_path / "a.csv", f"x,y,z\n1,0,1\n2,{size},2\n3,0,3\n")
    found = re.escape(f"{abs(float(size)):.0e}")
    with pytest.raises(SpecError, match=f"targets of {found} cannot be measured"):
        load(
            tmp_path,
            f"path: a.csv, target: [z, y], target_scale: {scale}",
            loss="mse",
            network="[{dense: 2}]",
        )


def test_whole_numbers_and_bytes_of_any_kind_are_classes_of_their_own(tmp_path: Path) -> None:
    large = [2**53, 2**53 + 1, 2**53, 2**53 + 1]
    for labels, names in (
        (large, (str(2**53), str(2**53 + 1))),
        ([b"\xe9", b"\xe8", b"\xe9", b"\xe8"], ("\\xe8", "\\xe9")),
    ):
        np.savez(tmp_path / "a.npz", x=np.arange(8.0).reshape(4, 2), y=labels)
        assert load(tmp_path, "path: a.npz").preparation.targets.classes == names


def test_classes_that_a_float_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f"x,y\n1,{2**53}\n2,{2**53 + 1}\n3,{2**53 + 4}\n")
    with pytest.raises(SpecError, match="several of which are one as they are read"):
        load(tmp_path, "path: a.csv")


def test_targets_of_several_axes_have_a_name_a_column(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 4, 5)), y=np.zeros((3, 4, 2)))
    targets = load(tmp_path, "path: a.npz", loss="mse", network="[{dense: 2}]").preparation.targets
    decoded = targets.decode(np.zeros((3, 4, 2)))
    assert len(decoded.columns) == len(set(decoded.columns)) == decoded.values.shape[1] == 8
