"""Wrong backward passes that people have written: each must be caught, in the layer that is wrong,
and most with the hint that names it."""

from __future__ import annotations

import pytest

from . import wrong_dense, wrong_elementwise, wrong_structures
from .mutation import Mutation, checked, hint_of

MUTATIONS = (
    *wrong_dense.MUTATIONS,
    *wrong_elementwise.MUTATIONS,
    *wrong_structures.MUTATIONS,
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_it_is_caught_and_named(mutation: Mutation) -> None:
    result = checked(mutation)
    assert result.verdict == "fail"
    layers = {result.failure.layer} if result.failure else {f.layer for f in result.faults}
    assert layers == {mutation.guilty}
    assert mutation.hint in hint_of(mutation, result)
    if not mutation.hint:
        assert "no known pattern" in hint_of(mutation, result)


def test_there_are_enough_and_most_have_a_hint() -> None:
    assert len(MUTATIONS) >= 40
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert sum(bool(mutation.hint) for mutation in MUTATIONS) >= 0.8 * len(MUTATIONS)
