"""No correct network is flagged."""

from __future__ import annotations

import numpy as np
import pytest

from bpcli.gradcheck import NonFiniteForward, check

from .random_networks import random_network

FEW, MANY = 60, 1000


def flagged(seeds: range) -> list[int]:
    """The seeds of correct networks that do not pass."""
    found = []
    for seed in seeds:
        network, inputs, targets = random_network(seed)
        try:
            result = check(network, inputs, targets)
        except NonFiniteForward:  # there is no gradient
            continue
        if result.verdict != "pass":
            found.append(seed)
    return found


def test_correct_networks_pass() -> None:
    assert flagged(range(FEW)) == []


@pytest.mark.slow
def test_a_thousand_correct_networks_pass() -> None:
    assert flagged(range(FEW, MANY)) == []


def test_the_network_is_left_as_it_was() -> None:
    network, inputs, targets = random_network(4)
    before = [v.copy() for v in (network.parameters.vector, network.state.vector)]
    kept = inputs.copy()
    check(network, inputs, targets)
    assert np.array_equal(network.parameters.vector, before[0])
    assert np.array_equal(network.state.vector, before[1])
    assert np.array_equal(inputs, kept)
