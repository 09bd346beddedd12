"""The optimizers' formulas for one parameter, worked through with the moments it keeps.

Written as in the papers, in plain floats: they share nothing with the optimizers whose steps they
explain, and the caller compares where both lead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from bpcli.report.trace.document import Divisor, Equation

Product = tuple[float, ...]


class Rule:
    """θ - η g, and what every optimizer has."""

    formula = "θ = θ - η g"
    options: tuple[str, ...] = ()  # "letter name" of those that the formula has

    def __init__(self, options: Any) -> None:
        self.chosen = options
        self.moments: dict[str, float] = {}
        self.steps = 0

    @property
    def constants(self) -> Iterator[Equation]:
        """β₁ = 0.9 and the like."""
        for written in self.options:
            letter, name = written.split()
            yield Equation(letter, float(getattr(self.chosen, name)))

    def step(self, place: str, theta: float, g: float, rate: float) -> list[Equation]:
        """The next step's equations, the parameter's own last."""
        self.steps += 1
        return list(self.work(place, theta, g, rate))

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        yield equation(place, (theta,), (-rate, g))

    def moment(self, letter: str, place: str, kept: float, *added: float) -> Equation:
        """letter = kept × letter + the product added, carried on to the next step."""
        old = self.moments.get(letter, 0.0)
        found = equation(f"{letter}{place}", (kept, old) if kept != 1 else (old,), added)
        self.moments[letter] = found.value
        return found


class Momentum(Rule):
    formula = "u = μ u + g; θ = θ - η u"
    options = ("μ momentum",)

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        u = self.moment("u", place, self.chosen.momentum, g)
        yield u
        yield equation(f"θ{place}", (theta,), (-rate, u.value))


class Nesterov(Momentum):
    formula = "u = μ u + g; θ = θ - η (g + μ u)"

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        u = self.moment("u", place, self.chosen.momentum, g)
        yield u
        yield equation(f"θ{place}", (theta,), (-rate, g), (-rate, self.chosen.momentum, u.value))


class AdaGrad(Rule):
    formula = "s = s + g²; θ = θ - η g / (√s + ε)"
    options = ("ε epsilon",)

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        s = self.moment("s", place, 1, g, g)
        yield s
        root = Divisor(s.value, True, self.chosen.epsilon)
        yield equation(f"θ{place}", (theta,), (-rate, g), divisor=root)


class RmsProp(Rule):
    formula = "v = ρ v + (1 - ρ) g²; θ = θ - η g / (√v + ε)"
    options: tuple[str, ...] = ("ρ decay", "ε epsilon")

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        v = self.moment("v", place, self.chosen.decay, 1 - self.chosen.decay, g, g)
        yield v
        root = Divisor(v.value, True, self.chosen.epsilon)
        yield equation(f"θ{place}", (theta,), (-rate, g), divisor=root)


class RmsPropMomentum(RmsProp):
    formula = "v = ρ v + (1 - ρ) g²; u = μ u + g / (√v + ε); θ = θ - η u"
    options = ("ρ decay", "μ momentum", "ε epsilon")

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        v = self.moment("v", place, self.chosen.decay, 1 - self.chosen.decay, g, g)
        yield v
        old, root = self.moments.get("u", 0.0), Divisor(v.value, True, self.chosen.epsilon)
        u = equation(f"u{place}", (self.chosen.momentum, old), (g,), divisor=root)
        self.moments["u"] = u.value
        yield u
        yield equation(f"θ{place}", (theta,), (-rate, u.value))


class Adam(Rule):
    formula = (
        "m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; "
        "m̂ = m / (1 - β₁ᵗ); v̂ = v / (1 - β₂ᵗ); θ = θ - η m̂ / (√v̂ + ε)"
    )
    options: tuple[str, ...] = ("β₁ beta1", "β₂ beta2", "ε epsilon")

    def work(self, place: str, theta: float, g: float, rate: float) -> Iterator[Equation]:
        beta1, beta2 = self.chosen.beta1, self.chosen.beta2
        m = self.moment("m", place, beta1, 1 - beta1, g)
        v = self.moment("v", place, beta2, 1 - beta2, g, g)
        mean = equation(f"m̂{place}", (m.value,), divisor=Divisor(1 - beta1**self.steps))
        square = equation(f"v̂{place}", (v.value,), divisor=Divisor(1 - beta2**self.steps))
        yield from (m, v, mean, square)
        root = Divisor(square.value, True, self.chosen.epsilon)
        yield equation(f"θ{place}", self.kept(theta, rate), (-rate, mean.value), divisor=root)

    def kept(self, theta: float, rate: float) -> Product:
        """What the step starts from."""
        return (theta,)


class AdamW(Adam):
    formula = Adam.formula.replace("θ = θ -", "θ = (1 - η λ) θ -")
    options = (*Adam.options, "λ weight_decay")

    def kept(self, theta: float, rate: float) -> Product:
        decay = rate * self.chosen.weight_decay
        return (1 - decay, theta) if decay else (theta,)


_RULES: dict[str, type[Rule]] = {
    "sgd": Rule, "adagrad": AdaGrad, "rmsprop": RmsProp, "adam": Adam, "adamw": AdamW,
}  # fmt: skip


def rule(options: Any) -> Rule:
    """Of one parameter under an optimizer with these options, before its first step."""
    kind = _RULES[options.name]
    if getattr(options, "momentum", 0):
        kind = RmsPropMomentum if options.name == "rmsprop" else Momentum
        kind = Nesterov if getattr(options, "nesterov", False) else kind
    return kind(options)


def equation(left: str, *products: Product, divisor: Divisor | None = None) -> Equation:
    """An equation and what it comes to."""
    found = Equation(left, math.nan, products, divisor=divisor)
    return Equation(left, math.fsum(found.terms), products, divisor=divisor)
