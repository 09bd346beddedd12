"""How findings say numbers and names."""

from __future__ import annotations

import math

import pytest

from bpcli.diagnosis.rules.rule import span, times


@pytest.mark.parametrize(
    ("factor", "expected"), [(2.44, "2.4"), (888, "890"), (1777, "1,800"), (3.31e25, "3.3e+25")]
)
def test_factors_have_two_digits(factor: float, expected: str) -> None:
    assert times(math.log(factor)) == expected


def test_factors_beyond_all_floats() -> None:
    assert times(math.inf) == times(700) == "1e+304"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a to c"), ([], "")],
)
def test_spans_of_layers(layers: list[str], expected: str) -> None:
    assert span(layers) == expected
