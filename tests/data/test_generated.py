"""Generated data: known truth, one stream a part, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bpcli.data.sources.generated import Generated
from bpcli.errors import BpcliError, DataError
from bpcli.spec.data import Adding, Blobs, Circles, Gaussian, Generator, Moons, Spirals, Xor

from .support import load

ALL: list[Generator] = [Xor(), Circles(), Moons(), Blobs(), Spirals(), Gaussian(), Adding()]


@pytest.mark.parametrize("options", ALL, ids=lambda options: options.name)
def test_the_header_says_what_is_read(options: Generator) -> None:
    source = Generated(options, seed=0)
    header, examples = source.header(), source.read()
    assert examples.inputs.shape == (header.examples, *header.input_shape)
    assert len(examples.targets.values) == header.examples
    if header.targets.classes:
        assert {*map(str, examples.targets.values)} == {*header.targets.classes}


@pytest.mark.parametrize("options", ALL[1:], ids=lambda options: options.name)
def test_seeds_and_parts_have_streams_of_their_own(options: Generator) -> None:
    first, again, other, part = (
        Generated(options, seed, stream).read().inputs
        for seed, stream in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert (first == again).all()
    assert not np.isin(other.ravel()[:50:2], first).all()
    assert not np.isin(part.ravel()[:50:2], first).all()


def test_exclusive_or() -> None:
    examples = Generated(Xor(), 0).read()
    np.testing.assert_array_equal(examples.inputs, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(examples.targets.values, [0, 1, 1, 0])


def points(options: Generator) -> tuple[np.ndarray, np.ndarray]:
    examples = Generated(options, 0).read()
    return examples.inputs, examples.targets.values


def test_circles_lie_on_their_radii() -> None:
    inputs, labels = points(Circles(noise=0.0, classes=3))
    np.testing.assert_allclose(np.hypot(*inputs.T), (labels + 1) / 3)


def test_moons_are_half_circles() -> None:
    inputs, labels = points(Moons(noise=0.0))
    centre = np.array([[0, 0], [1, 0.5]])[labels]
    np.testing.assert_allclose(np.hypot(*(inputs - centre).T), 1)
    height = inputs[:, 1] - centre[:, 1]
    assert (np.where(labels == 0, height, -height) > -1e-12).all()


def test_spirals_are_those_of_cs231n() -> None:
    """r = t and angle 4 (t + class) + noise, x = (r sin, r cos)."""
    inputs, labels = points(Spirals(samples=300, noise=0.0))
    radius = np.hypot(*inputs.T)
    angle = 4 * (radius + labels)
    arms = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    np.testing.assert_allclose(inputs, arms, atol=1e-12)
    assert np.bincount(labels).tolist() == [100, 100, 100]


def test_blobs_are_two_apart() -> None:
    inputs, labels = points(Blobs(noise=0.0, classes=5))
    centres = np.array([inputs[labels == label][0] for label in range(5)])
    np.testing.assert_allclose(np.hypot(*(centres - np.roll(centres, 1, axis=0)).T), 2)


def test_adding_asks_for_the_sum_of_two_marked_numbers() -> None:
    inputs, sums = points(Adding(samples=4000, length=11))
    values, marks = inputs[..., 0], inputs[..., 1]
    np.testing.assert_array_equal(np.unique(marks), [0, 1])
    np.testing.assert_array_equal(marks[:, :5].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, 5:].sum(axis=1), 1)
    assert (marks.sum(axis=0) > 0).all()  # every step is marked some time
    np.testing.assert_allclose((values * marks).sum(axis=1), sums)
    assert np.square(sums - 1).mean() == pytest.approx(1 / 6, abs=0.01)  # of who always says 1


def test_adding_is_a_regression(tmp_path: Path) -> None:
    data = "generate: {adding: {samples: 9, length: 4}}, test: {generate: {adding: {samples: 5}}}"
    with pytest.raises(DataError, match=r"examples with shape \(4, 2\) .* received .* \(100, 2\)"):
        load(tmp_path, data, loss="mse")
    dataset = load(tmp_path, "generate: {adding: {samples: 9, length: 4}}", loss="mse")
    inputs, targets = dataset.train.slice(0, 9)
    assert (inputs.shape, targets.shape) == ((9, 4, 2), (9, 1))


def test_validation_from_the_same_generator_is_new_points(tmp_path: Path) -> None:
    data = "generate: {moons: {samples: 50}}, validation: {generate: {moons: {samples: 20}}}"
    dataset = load(tmp_path, data)
    inputs, held = dataset.train.slice(0, 50)[0], dataset.validation.slice(0, 20)[0]
    assert not np.isin(held, inputs).any()
    again = load(tmp_path, data)
    np.testing.assert_array_equal(again.train.slice(0, 50)[0], inputs)
    assert again.digest == dataset.digest
    assert load(tmp_path, data + ", seed: 1").digest != dataset.digest


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("generate: {blobs: {samples: 3, classes: 4}}", "3 samples cannot have 4 classes"),
        ("generate: {gaussian: {samples: 100000000000000}}", "gaussian: needs 7.8 PiB of memory"),
    ],
)
def test_generators_that_cannot(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(BpcliError, match=message):
        load(tmp_path, data)


def test_gaussian_examples_may_be_fewer_than_their_classes(tmp_path: Path) -> None:
    dataset = load(tmp_path, "generate: {gaussian: {samples: 4, features: 3, classes: 6}}")
    assert dataset.preparation.targets.classes == ("0", "1", "2", "3", "4", "5")
    assert sorted(dataset.train.slice(0, 4)[1].tolist()) == [0, 1, 3, 4]


def test_more_classes_than_anybody_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BpcliError, match="gaussian has at most 1,000,000 classes"):
        load(tmp_path, "generate: {gaussian: {samples: 10, features: 2, classes: 100000000}}")
