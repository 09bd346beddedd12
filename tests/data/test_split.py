"""Splits are complete, disjoint, stratified, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.data.sources import OptionError
from bpcli.data.split import split_in_order, split_rows
from bpcli.spec.data import Split

SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.3])


@given(st.integers(40, 300), SHARES, SHARES, st.integers(0, 5), st.integers(0, 4))
def test_parts_are_disjoint_complete_and_repeatable(
    count: int, validation: float, test: float, seed: int, classes: int
) -> None:
    rows = np.arange(count) * 3  # rows that are left after gaps were dropped
    codes = None if not classes else np.random.default_rng(seed).integers(0, classes, count)
    parts = split_rows(rows, Split(validation, test), seed, codes)
    together = np.concatenate([*parts.values()])
    np.testing.assert_array_equal(np.sort(together), rows)
    assert all((np.diff(part) > 0).all() for part in parts.values())
    sizes = {"validation": round(validation * count), "test": round(test * count)}
    assert {name: len(part) for name, part in parts.items() if name != "train"} == {
        name: size for name, size in sizes.items() if size
    }
    again = split_rows(rows, Split(validation, test), seed, codes)
    assert all((parts[name] == again[name]).all() for name in parts)


@given(st.lists(st.integers(2, 60), min_size=2, max_size=5), st.integers(0, 9))
def test_every_class_is_held_back_in_the_same_share(sizes: list[int], seed: int) -> None:
    codes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    parts = split_rows(np.arange(len(codes)), Split(test=0.25), seed, codes)
    share = len(parts["test"]) / (len(codes) - len(sizes))  # of what may be held back
    for code, size in enumerate(sizes):
        held = np.count_nonzero(codes[parts["test"]] == code)
        assert abs(held - share * (size - 1)) <= 1
        assert held < size  # something is left to learn the class from


def test_another_seed_is_another_split() -> None:
    first, second = (split_rows(np.arange(100), Split(test=0.2), seed)["test"] for seed in (0, 1))
    assert (first != second).any()


def test_the_test_part_does_not_depend_on_the_validation_part() -> None:
    alone = split_rows(np.arange(100), Split(test=0.2), 0)["test"]
    both = split_rows(np.arange(100), Split(validation=0.3, test=0.2), 0)["test"]
    np.testing.assert_array_equal(alone, both)


@pytest.mark.parametrize("split", [Split(0.5, 0.5), Split(0.9, 0.3), Split(test=0.01)])
def test_shares_that_leave_a_part_empty(split: Split) -> None:
    with pytest.raises(OptionError, match="split"):
        split_rows(np.arange(20), split, 0)


def test_classes_that_are_too_small_to_hold_back() -> None:
    with pytest.raises(OptionError, match="each class must keep an example to train on"):
        split_rows(np.arange(6), Split(test=0.7), 0, np.array([0, 1, 2, 3, 4, 4]))


@given(st.integers(10, 200), SHARES, SHARES)
def test_time_is_cut_in_order(count: int, validation: float, test: float) -> None:
    bounds = split_in_order(count, Split(validation, test))
    assert [name for name in ("train", "validation", "test") if name in bounds] == [*bounds]
    edges = [edge for bound in bounds.values() for edge in bound]
    assert edges[0] == 0
    assert edges[-1] == count
    assert edges[1:-1:2] == edges[2::2]
