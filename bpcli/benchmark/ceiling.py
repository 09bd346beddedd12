"""What the machine's matrix products can do at best."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from bpcli.benchmark.timing import repeat

_SIZE = 1024


def ceiling(dtype: DTypeLike, seconds: float = 0.3) -> float:
    """Multiply-adds a second of a large square product, the fastest of several.

    On as many BLAS threads as everything else in this process.
    """
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((_SIZE, _SIZE)).astype(dtype) for _ in range(2))
    out = np.empty_like(a)
    fastest = min(repeat(lambda: np.matmul(a, b, out=out), seconds))
    return float(_SIZE) ** 3 / fastest
