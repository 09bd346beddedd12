"""Scaling: by the training part alone, exact on what is constant, and undone again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bpcli.data.scaling import fit_scaling, statistics

from .support import load, write

VALUES = st.floats(-1e6, 1e6) | st.just(3.0)
MATRICES = hnp.arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=VALUES)


@given(MATRICES)
def test_statistics_are_those_of_numpy(matrix: np.ndarray) -> None:
    found = statistics(lambda rows: matrix[rows].copy(), *matrix.shape)
    np.testing.assert_allclose(found.mean, matrix.mean(axis=0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.deviation, matrix.std(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(found.least, matrix.min(axis=0))
    np.testing.assert_array_equal(found.greatest, matrix.max(axis=0))


@given(MATRICES, st.sampled_from(["none", "standard", "minmax", 0.25, -3.0]))
@example(np.array([[2.3e-309], [0.0]]), "minmax")  # a width whose reciprocal is infinite
def test_scaling_is_undone(matrix: np.ndarray, scale: str | float) -> None:
    found = statistics(lambda rows: matrix[rows].copy(), *matrix.shape)
    scaling = fit_scaling(scale, found, matrix.shape[1])
    scaled = scaling.apply(matrix.copy())
    assert np.isfinite(scaled).all()
    size = np.abs(matrix).max() if matrix.size else 0
    np.testing.assert_allclose(scaling.undo(scaled), matrix, rtol=1e-9, atol=1e-9 * (1 + size))


def test_a_large_offset_costs_no_digits() -> None:
    matrix = 1e9 + np.arange(1000.0).reshape(-1, 1) % 7
    found = statistics(lambda rows: matrix[rows].copy(), *matrix.shape)
    assert found.deviation[0] == pytest.approx(matrix.std(), rel=1e-9)


@pytest.mark.parametrize("size", [1e155, 1e200, 1e306, 1e-155, 1e-200, 1e-300])
def test_columns_of_any_size_are_scaled(size: float) -> None:
    """Their squares would overflow or vanish, and with them the deviation."""
    matrix = np.array([[1.0], [2.0], [4.0], [np.nan], [9.0]])
    found = statistics(lambda rows: matrix[rows] * [size, 1.0], 5, 2)
    assert found.mean[0] == pytest.approx(4 * size, rel=1e-14, abs=0)
    # the missing one counts as the mean: (9 + 4 + 0 + 0 + 25) / 5
    assert found.deviation[0] == pytest.approx(math.sqrt(7.6) * size, rel=1e-14, abs=0)
    for scale in ("standard", "minmax"):
        scaled = fit_scaling(scale, found, 2).apply(matrix * [size, 1.0])
        np.testing.assert_allclose(scaled[:, 0], scaled[:, 1], rtol=1e-13)


def test_gaps_count_only_where_they_are_filled(tmp_path: Path) -> None:
    values = [float(n) for n in range(1, 41)]
    gaps = {5, 6, 7, 20, 21, 33}
    rows = "".join("NA\n" if n in gaps else f"{value}\n" for n, value in enumerate(values))
    write(tmp_path / "a.csv", f"v\n{rows}")
    present = np.array([value for n, value in enumerate(values) if n not in gaps])
    series = "path: a.csv, target: v, window: 2, scale: standard, target_scale: standard"
    for missing, deviation in (
        ("drop", present.std()),
        ("mean", np.sqrt(present.var() * len(present) / len(values))),
    ):
        data = f"{series}, missing: {missing}"
        found = load(tmp_path, data, loss="mse", network="[flatten, {dense: 1}]").preparation
        assert found.inputs.scaling.factor[0] == pytest.approx(1 / deviation)
        assert found.targets.scaling.factor[0] == pytest.approx(1 / present.std())


def test_sums_beyond_the_largest_number_are_no_matter() -> None:
    matrix = np.full((1000, 1), 1.5e308)
    matrix[::2] = 0.5e308
    found = statistics(lambda rows: matrix[rows].copy(), 1000, 1)
    assert (found.mean[0], found.deviation[0]) == pytest.approx((1e308, 0.5e308), rel=1e-14)


TABLE = "a,b,c,t\n" + "".join(f"{n},{n * n},5.1,{n % 2}\n" for n in range(20))


@pytest.mark.parametrize("scale", ["standard", "minmax"])
def test_only_the_training_part_is_looked_at(tmp_path: Path, scale: str) -> None:
    write(tmp_path / "t.csv", TABLE)
    dataset = load(tmp_path, f"path: t.csv, split: {{test: 0.5}}, scale: {scale}")
    train, test = (part.slice(0, 10)[0].astype(float) for part in (dataset.train, dataset.test))
    if scale == "standard":
        np.testing.assert_allclose(train[:, :2].mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(train[:, :2].std(axis=0), 1, atol=1e-6)
        assert abs(test[:, 1].mean()) > 1e-3
    else:
        np.testing.assert_allclose([train[:, :2].min(), train[:, :2].max()], [0, 1], atol=1e-6)
        assert test[:, :2].min() < 0 or test[:, :2].max() > 1
    assert (train[:, 2] == 0).all()  # constant: moved, then divided by 1


def test_a_column_that_varies_in_the_test_part_alone(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "a,t\n4.1,0\n4.1,1\n4.1,0\n")
    write(tmp_path / "test.csv", "a,t\n6.1,0\n4.1,1\n")
    dataset = load(tmp_path, "path: train.csv, test: {path: test.csv}, scale: standard")
    np.testing.assert_allclose(dataset.test.slice(0, 2)[0], [[2], [0]], atol=1e-6)


def test_a_number_multiplies(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", TABLE)
    inputs, _ = load(tmp_path, "path: t.csv, scale: 0.5").train.slice(0, 20)
    np.testing.assert_allclose(inputs[:, 1], np.arange(20.0) ** 2 / 2)


def test_words_are_not_scaled(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "w,a,t\nx,1,0\ny,2,1\nx,3,0\n")
    inputs, _ = load(tmp_path, "path: t.csv, scale: standard").train.slice(0, 3)
    np.testing.assert_array_equal(inputs[:, :2], [[1, 0], [0, 1], [1, 0]])
    assert inputs[:, 2].mean() == pytest.approx(0, abs=1e-6)


def test_numeric_targets_are_scaled_and_outputs_unscaled(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,t\n1,100\n2,300\n3,500\n")
    dataset = load(tmp_path, "path: t.csv, target_scale: minmax", loss="mse")
    inputs, targets = dataset.train.slice(0, 3)
    np.testing.assert_array_equal(targets, [[0], [0.5], [1]])
    np.testing.assert_array_equal(inputs, [[1], [2], [3]])
    decoded = dataset.preparation.targets.decode(np.array([[0.25]], np.float32))
    assert decoded.columns == ("t",)
    assert decoded.labels is None
    np.testing.assert_array_equal(decoded.values, [[200]])
