"""Proves gradients: every backward pass against numerical derivatives of the forward pass.

Exact derivatives come from complex steps (`numerical`), one layer at a time (`functions`,
`structure`, `pullback`, `lifting`), so that a mistake is found in the layer that makes it
(`localisation`); end to end they are confirmed along random directions (`projections`,
`end_to_end`). `comparison` says when two gradients are the same, `rounding` what rounding can do,
`hints` which mistake a wrong gradient looks like. `check` is the whole of it.
"""

from __future__ import annotations

from bpcli.gradcheck.check import check, quick_check
from bpcli.gradcheck.failures import Failure, NonFiniteForward
from bpcli.gradcheck.result import Fault, Result, TensorResult

__all__ = [
    "Failure", "Fault", "NonFiniteForward", "Result", "TensorResult", "check", "quick_check",
]  # fmt: skip
