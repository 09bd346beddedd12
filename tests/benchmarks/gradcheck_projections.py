"""How the cost of checking by projections grows with the number of parameters.

    python tests/benchmarks/gradcheck_projections.py

Networks of one depth and growing width, checked with `mode="quick"`: what the check takes, in
processor seconds, the best of a few runs. Linear growth shows as a last column that does not rise.
"""

from __future__ import annotations

import time

import numpy as np

from bpcli.gradcheck import check
from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.optimization import CrossEntropy

WIDTHS = {"1k": 19, "10k": 67, "100k": 220, "1M": 703}
INPUTS, CLASSES, EXAMPLES, RUNS = 16, 10, 16, 3


def network(width: int) -> Network:
    layers = (spec.Dense(width), spec.Tanh(), spec.Dense(width), spec.Tanh(), spec.Dense(width),
              spec.Tanh(), spec.Dense(CLASSES))  # fmt: skip
    return Network(layers, CrossEntropy(), (INPUTS,))


def seconds(width: int) -> tuple[int, float]:
    """The parameters, and what the check takes."""
    random = np.random.default_rng(0)
    inputs = random.standard_normal((EXAMPLES, INPUTS))
    targets = random.integers(0, CLASSES, EXAMPLES)
    built = network(width)
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        result = check(built, inputs, targets, mode="quick")
        taken.append(time.process_time() - start)
        assert result.verdict == "pass"
    return built.parameters.vector.size, min(taken)


def main() -> None:
    print(f"{'':>5}  {'parameters':>10}  {'seconds':>8}  {'µs each':>8}")
    for name, width in WIDTHS.items():
        count, taken = seconds(width)
        print(f"{name:>5}  {count:>10,}  {taken:>8.3f}  {1e6 * taken / count:>8.3f}")


if __name__ == "__main__":
    main()
