"""Records activations and losses far from zero, in 50 digits: python make_tail_reference.py

Writes tails.json beside itself: for each function its value and derivative at x, each computed
with mpmath from the definition and rounded once to the nearest float64. PyTorch is no judge
there: its gelu is 0 from x = -9 on, and its cross entropy of a confident right answer too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mpmath
from mpmath import exp, mpf, ncdf, npdf, sqrt, tanh

mpmath.mp.dps = 50
POINTS = [
    -700.0, -100.0, -37.5, -20.0, -12.0, -8.3, -5.0, -2.9, -0.7, -0.05, -1e-4, -1e-9,
    1e-9, 1e-4, 0.05, 0.7, 2.9, 5.0, 8.3, 12.0, 20.0, 37.5, 100.0, 700.0,
]  # fmt: skip
LAMBDA = mpf("1.0507009873554804934193349852946")
ALPHA = mpf("1.6732632423543772848170429916717")


def sigmoid(x):
    return 1 / (1 + exp(-x))


def tanh_gelu(x):
    return x / 2 * (1 + tanh(sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x**3)))


def by_difference(function: Callable) -> Callable:
    """f' where no formula should be copied: differences in 400 digits leave 50 right ones."""

    def derivative(x):
        with mpmath.workdps(800):
            h = mpf(10) ** -200
            return (function(x + h) - function(x - h)) / (2 * h)

    return derivative


FUNCTIONS: dict[str, tuple[Callable, Callable]] = {
    "tanh": (tanh, by_difference(tanh)),
    "sigmoid": (sigmoid, by_difference(sigmoid)),
    "softplus": (lambda x: mpmath.log1p(exp(x)), sigmoid),
    "silu": (lambda x: x * sigmoid(x), by_difference(lambda x: x * sigmoid(x))),
    "elu": (lambda x: x if x > 0 else mpmath.expm1(x), lambda x: mpf(1) if x > 0 else exp(x)),
    "selu": (
        lambda x: LAMBDA * (x if x > 0 else ALPHA * mpmath.expm1(x)),
        lambda x: LAMBDA * (1 if x > 0 else ALPHA * exp(x)),
    ),
    "gelu": (lambda x: x * ncdf(x), lambda x: ncdf(x) + x * npdf(x)),
    "gelu tanh": (tanh_gelu, by_difference(tanh_gelu)),
    "exponential": (exp, exp),
    # of a single example: of logits (x, 0) and class 0, and of one logit x and target 1
    "cross_entropy": (lambda x: mpmath.log1p(exp(-x)), lambda x: -1 / (1 + exp(x))),
    "binary_cross_entropy": (lambda x: mpmath.log1p(exp(-x)), lambda x: -1 / (1 + exp(x))),
}


def at(function: Callable, x: float) -> float:
    with mpmath.workdps(700):  # 1 + exp(-700) must not be 1
        return float(function(mpf(x)))


def main() -> None:
    reference = {
        "origin": f"mpmath {mpmath.__version__}, make_tail_reference.py",
        "points": POINTS,
        "functions": {
            name: {
                "values": [at(function, x) for x in POINTS],
                "derivatives": [at(derivative, x) for x in POINTS],
            }
            for name, (function, derivative) in FUNCTIONS.items()
        },
    }
    text = json.dumps(reference, separators=(",", ":"), allow_nan=False)
    text = text.replace(',"functions"', ',\n"functions"').replace('},"', '},\n"')
    Path(__file__).with_name("tails.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
