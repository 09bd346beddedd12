from __future__ import annotations

from typing import Any

import pytest

from bpcli.errors import SpecError
from bpcli.spec import parse_spec

BASE = """\
data: {path: a.csv}
network:
  - dense: 4
  - relu
  - residual: [layer_norm, {dense: {units: 4, bias: {constant: 0.1}}}]
  - repeat: {times: 3, layers: [{dense: 32}, tanh]}
  - dense: {units: 2, init: {values: [[1, 2], [3, 4]]}}
loss: cross_entropy
"""


def problems_of(text: str, **options: Any) -> list[str]:
    """Every problem of a spec that must have some."""
    with pytest.raises(SpecError) as caught:
        parse_spec(text, file="f", **options)
    return [str(problem) for problem in caught.value.problems]
