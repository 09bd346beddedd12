"""What dropout's masks are, as statistics and as properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec.layers import Dropout
from bpcli.spec.optimization import MeanSquaredError

Array = np.ndarray[Any, Any]
RATES = [0.05, 0.2, 0.25, 0.3, 0.5, 0.9, 0.999]


def network_of(rate: float) -> Network:
    network = Network([Dropout(rate)], MeanSquaredError(), (100,), dtype="float64")
    network.keep_input_gradient(True)
    return network


def mask(rate: float, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    return network_of(rate).forward(np.ones((1000, 100)), training=True, random=random).copy()


@pytest.mark.parametrize("rate", RATES)
def test_the_share_that_is_dropped_is_the_rate(rate: float) -> None:
    drawn = mask(rate)
    dropped = (drawn == 0).mean()
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / drawn.size) + 2**-17
    assert np.unique(drawn[drawn != 0]).size == 1
    # the mean stays: what is kept is divided by the share that is kept
    assert drawn.max() == pytest.approx(1 / (1 - rate), rel=2**-17 / (1 - rate))


@pytest.mark.parametrize("rate", RATES)
def test_elements_are_dropped_independently(rate: float) -> None:
    dropped = (mask(rate) == 0).astype(float)
    flat = dropped.reshape(-1) - rate
    error = 5 * rate * (1 - rate) / math.sqrt(flat.size) + 1e-4
    for distance in (1, 2, 4, 8, 100):  # neighbours come from one random word
        assert abs((flat[:-distance] * flat[distance:]).mean()) < error
    for axis in (0, 1):  # no row and no column is special
        spread = dropped.mean(axis=axis).std()
        expected = math.sqrt(rate * (1 - rate) / dropped.shape[axis])
        assert spread == pytest.approx(expected, rel=0.35)


def test_the_gradient_passes_where_the_value_did() -> None:
    network, random = network_of(0.4), np.random.default_rng(1)
    inputs, delta = random.normal(0, 1, (2, 50, 100))
    outputs = network.forward(inputs, training=True, random=random)
    gradient = network.backward(delta)
    np.testing.assert_allclose(gradient, delta * (outputs / inputs), rtol=1e-14)


def test_masks_follow_from_the_generator_alone() -> None:
    assert np.array_equal(mask(0.3, seed=1), mask(0.3, seed=1))
    assert not np.array_equal(mask(0.3, seed=1), mask(0.3, seed=2))
    network, random = network_of(0.3), np.random.default_rng(0)
    ones = np.ones((10, 100))
    first = network.forward(ones, training=True, random=random).copy()
    second = network.forward(ones, training=True, random=random)
    assert not np.array_equal(first, second)


def test_evaluation_and_rate_zero_change_nothing() -> None:
    inputs = np.random.default_rng(0).normal(0, 1, (5, 100))
    random = np.random.default_rng(0)
    state = random.bit_generator.state
    for rate, training in ((0.5, False), (0.0, True)):
        network = network_of(rate)
        outputs = network.forward(inputs, training=training, random=random)
        assert np.array_equal(outputs, inputs)
        assert np.array_equal(network.backward(inputs), inputs)
    assert random.bit_generator.state == state


def test_a_rate_that_rounds_to_one_still_keeps_a_few() -> None:
    """The 65,536 values of 16 bits cannot tell it from 1; the last one is kept."""
    drawn = mask(1 - 1e-9)
    assert np.isfinite(drawn).all()
    assert set(np.unique(drawn)) <= {0.0, 65_536.0}
