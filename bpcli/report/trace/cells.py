"""Recurrent layers written out step by step, for one example: every gate, and every δ on the way
back.

The recurrences as they stand in the papers, in plain NumPy. They share nothing with the layers but
the parameters and ∂L/∂hₜ, and the caller compares what they give with what the layers gave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bpcli.report.trace.document import Equation
from bpcli.report.trace.example import SHOWN_WHOLE, Array, strongest

Product = tuple[float, ...]


class Cell:
    """x (time, features) to h (time + 1, units), the first of them 0; ``gates`` are the blocks of
    the weights' columns.

    After :meth:`back`, ``delta`` = ∂L/∂(x W) and ``carried`` = ∂L/∂(h U), (time, gates · units).
    """

    gates: tuple[str, ...] = ("",)
    formula = "hₜ = φ(xₜ W + hₜ₋₁ U + b)"
    way_back = "∂hₜ = ∂L/∂yₜ + δₜ₊₁ Uᵀ; δ = ∂hₜ φ', φ' of z = xₜ W + hₜ₋₁ U + b"

    def __init__(self, x: Array, parameters: Mapping[str, Array], function: str = "tanh") -> None:
        self.x, self.function = x, function
        self.W, self.U = parameters["weight"], parameters["recurrent_weight"]
        self.biases = {n: p for n, p in parameters.items() if n.endswith("bias") and p.size}
        self.steps, self.units = len(x), len(self.U)
        self.h = np.zeros((self.steps + 1, self.units))
        for t in range(self.steps):
            self.run(t)

    def run(self, t: int) -> None:
        """Fills ``h[t + 1]``."""
        z = self.by_input(t) + self.by_state(t)
        self.h[t + 1] = np.tanh(z[0]) if self.function == "tanh" else np.maximum(z[0], 0)

    def back(self, hidden: Array, outputs: Array) -> Array:
        """From ∂L/∂hₜ in all and as outputs, (time, units), what the cells make of the latter:
        ∂L/∂hₜ again."""
        self.hidden, self.outputs = hidden, outputs
        self.delta = np.zeros((self.steps, self.W.shape[1]))
        self.carried = self.delta.copy()
        for t in reversed(range(self.steps)):
            deltas = self.run_back(t)
            self.delta[t] = np.concatenate(deltas)
            self.carried[t] = np.concatenate(self.recurrent(t, deltas))
        return np.array([self.arriving(t) for t in range(self.steps)])

    def run_back(self, t: int) -> list[Array]:
        """δ of each gate at a step; the later steps are done."""
        return [self.hidden[t] * self._slope(t)]

    def recurrent(self, t: int, deltas: list[Array]) -> list[Array]:
        """What of δ goes back to hₜ₋₁."""
        return deltas

    def arriving(self, t: int) -> Array:
        """∂L/∂hₜ, of what the step after it sends back."""
        arrives: Array = self.outputs[t].copy()
        if t + 1 < self.steps:
            arrives += self.U @ self.carried[t + 1]
        return arrives

    def _slope(self, t: int) -> Array:
        h = self.h[t + 1]
        slope: Array = 1 - h * h if self.function == "tanh" else (h > 0).astype(float)
        return slope

    def by_input(self, t: int) -> Array:
        """xₜ W + b, (gates, units)."""
        return self._by_gate(self.x[t] @ self.W, "bias")

    def by_state(self, t: int) -> Array:
        """hₜ₋₁ U + b_U, (gates, units)."""
        return self._by_gate(self.h[t] @ self.U, "recurrent_bias")

    def _by_gate(self, product: Array, bias: str) -> Array:
        shifted: Array = product + self.biases.get(bias, 0)
        return shifted.reshape(-1, self.units)

    def forward(self, t: int, j: int) -> Iterator[Equation]:
        """The equations of one unit at one step."""
        yield self.gate("h", t, j, 0, float(self.h[t + 1, j]), self.function)

    def backward(self, t: int, j: int) -> Iterator[Equation]:
        """The way back through it."""
        arrives = float(self.hidden[t, j])
        yield self.arrival(t, j)
        yield product(f"δ[{t}, {j}]", arrives, float(self._slope(t)[j]))

    def gate(self, letter: str, t: int, j: int, gate: int, value: float, function: str) -> Equation:
        """letter = function(xₜ W + hₜ₋₁ U + b) for one unit."""
        column = gate * self.units + j
        terms = [*self.input_terms(t, column), *self.state_terms(t, column)]
        biases = [(float(bias[column]),) for bias in self.biases.values()]
        return added(f"{letter}[{t}, {j}]", value, terms, *biases, function=function)

    def input_terms(self, t: int, column: int) -> list[Product]:
        return pairs(self.x[t], self.W[:, column])

    def state_terms(self, t: int, column: int) -> list[Product]:
        return pairs(self.h[t], self.U[:, column])

    def arrival(self, t: int, j: int, *more: Product) -> Equation:
        """∂L/∂h of one unit: what arrives as an output, ``more``, and what the step after sends
        back through U."""
        constants = [(float(self.outputs[t, j]),)] if self.outputs[t].any() else []
        back = pairs(self.carried[t + 1], self.U[j]) if t + 1 < self.steps else []
        return added(f"∂L/∂h[{t}, {j}]", float(self.hidden[t, j]), back, *constants, *more)

    def by_parameter(self, name: str, place: Sequence[int]) -> list[Product]:
        """The terms, one a step, of the gradient by an element of a parameter."""
        delta = (self.carried if name.startswith("recurrent") else self.delta)[:, place[-1]]
        if name.endswith("bias"):
            return [(float(number),) for number in delta]
        return pairs((self.h[:-1] if name.startswith("recurrent") else self.x)[:, place[0]], delta)

    def by_x(self, t: int, feature: int) -> list[Product]:
        """The terms of ∂L/∂xₜ, one a column of W."""
        return pairs(self.delta[t], self.W[feature])


class LstmCell(Cell):
    gates = ("i", "f", "g", "o")
    formula = "[i f g o] of xₜ W + hₜ₋₁ U + b; cₜ = f cₜ₋₁ + i g; hₜ = o tanh cₜ"
    way_back = (
        "∂hₜ = ∂L/∂yₜ + δₜ₊₁ Uᵀ; ∂cₜ = ∂cₜ₊₁ fₜ₊₁ + ∂hₜ o (1 - tanh² cₜ); δi = ∂cₜ g i (1 - i); "
        "δf = ∂cₜ cₜ₋₁ f (1 - f); δg = ∂cₜ i (1 - g²); δo = ∂hₜ tanh cₜ o (1 - o)"
    )

    def run(self, t: int) -> None:
        if t == 0:
            self.s, self.rests = (np.zeros((self.steps, 4, self.units)) for _ in range(2))
            self.c = np.zeros((self.steps + 1, self.units))
            self.dc = np.zeros((self.steps, self.units))
        z = self.by_input(t) + self.by_state(t)
        self.s[t], self.rests[t] = sigmoid(z), sigmoid(-z)
        self.s[t, 2] = np.tanh(z[2])
        i, f, g, o = self.s[t]
        self.c[t + 1] = f * self.c[t] + i * g
        self.h[t + 1] = o * np.tanh(self.c[t + 1])

    def run_back(self, t: int) -> list[Array]:
        (i, f, g, o), (i_, f_, _, o_) = self.s[t], self.rests[t]
        tanh, dh = np.tanh(self.c[t + 1]), self.hidden[t]
        dc = dh * o * (1 - tanh**2)
        if t + 1 < self.steps:
            dc = dc + self.dc[t + 1] * self.s[t + 1, 1]
        self.dc[t] = dc
        return [dc * g * i * i_, dc * self.c[t] * f * f_, dc * i * (1 - g**2), dh * tanh * o * o_]

    def forward(self, t: int, j: int) -> Iterator[Equation]:
        here = f"[{t}, {j}]"
        values = [float(number) for number in self.s[t, :, j]]
        functions = ("sigmoid", "sigmoid", "tanh", "sigmoid")
        for gate, letter in enumerate(self.gates):
            yield self.gate(letter, t, j, gate, values[gate], functions[gate])
        i, f, g, o = values
        c, before = float(self.c[t + 1, j]), float(self.c[t, j])
        yield Equation(f"c{here}", c, ((f, before), (i, g)))
        yield Equation(f"tanh c{here}", math.tanh(c), ((c,),), "tanh")
        yield product(f"h{here}", o, math.tanh(c))

    def backward(self, t: int, j: int) -> Iterator[Equation]:
        here, (i, f, g, o) = f"[{t}, {j}]", map(float, self.s[t, :, j])
        i_, f_, _, o_ = map(float, self.rests[t, :, j])
        tanh, dh, dc = math.tanh(self.c[t + 1, j]), float(self.hidden[t, j]), float(self.dc[t, j])
        last = t + 1 == self.steps
        later = () if last else ((float(self.dc[t + 1, j]), float(self.s[t + 1, 1, j])),)
        yield self.arrival(t, j)
        yield Equation(f"∂L/∂c{here}", dc, (*later, (dh, o, 1 - tanh**2)))
        yield product(f"δi{here}", dc, g, i, i_)
        yield product(f"δf{here}", dc, float(self.c[t, j]), f, f_)
        yield product(f"δg{here}", dc, i, 1 - g**2)
        yield product(f"δo{here}", dh, tanh, o, o_)


class GruCell(Cell):
    gates = ("r", "z", "n")
    formula = (
        "r, z = σ(xₜ W + b + hₜ₋₁ U + b_U); q = hₜ₋₁ U + b_U; n = tanh(xₜ W + b + r q); "
        "hₜ = (1 - z) n + z hₜ₋₁"
    )
    way_back = (
        "∂hₜ = ∂L/∂yₜ + ∂hₜ₊₁ zₜ₊₁ + [δr δz δn r]ₜ₊₁ Uᵀ; δn = ∂hₜ (1 - z) (1 - n²); "
        "δz = ∂hₜ (hₜ₋₁ - n) z (1 - z); δr = δn q r (1 - r)"
    )

    def run(self, t: int) -> None:
        if t == 0:
            self.s, self.rests = (np.zeros((self.steps, 3, self.units)) for _ in range(2))
            self.q = np.zeros((self.steps, self.units))
        by_input, by_state = self.by_input(t), self.by_state(t)
        self.q[t] = by_state[2]
        self.s[t], self.rests[t] = sigmoid(by_input + by_state), sigmoid(-by_input - by_state)
        r, z, _ = self.s[t]
        n = self.s[t, 2] = np.tanh(by_input[2] + r * self.q[t])
        self.h[t + 1] = self.rests[t, 1] * n + z * self.h[t]

    def run_back(self, t: int) -> list[Array]:
        (r, z, n), (r_, z_, _), dh = self.s[t], self.rests[t], self.hidden[t]
        dn = dh * z_ * (1 - n**2)
        return [dn * self.q[t] * r * r_, dh * (self.h[t] - n) * z * z_, dn]

    def recurrent(self, t: int, deltas: list[Array]) -> list[Array]:
        return [deltas[0], deltas[1], deltas[2] * self.s[t, 0]]

    def arriving(self, t: int) -> Array:
        arrives = super().arriving(t)
        if t + 1 < self.steps:
            arrives += self.hidden[t + 1] * self.s[t + 1, 1]
        return arrives

    def forward(self, t: int, j: int) -> Iterator[Equation]:
        here, (r, z, n) = f"[{t}, {j}]", map(float, self.s[t, :, j])
        yield self.gate("r", t, j, 0, r, "sigmoid")
        yield self.gate("z", t, j, 1, z, "sigmoid")
        column, q = 2 * self.units + j, float(self.q[t, j])
        bias, state_bias = (
            [(float(self.biases[name][column]),)] if name in self.biases else []
            for name in ("bias", "recurrent_bias")
        )
        yield added(f"q{here}", q, self.state_terms(t, column), *state_bias)
        yield added(f"n{here}", n, self.input_terms(t, column), *bias, (r, q), function="tanh")
        before, rest = float(self.h[t, j]), float(self.rests[t, 1, j])
        yield Equation(f"h{here}", float(self.h[t + 1, j]), ((rest, n), (z, before)))

    def backward(self, t: int, j: int) -> Iterator[Equation]:
        here, (r, z, n) = f"[{t}, {j}]", map(float, self.s[t, :, j])
        r_, z_, _ = map(float, self.rests[t, :, j])
        dh, dn = float(self.hidden[t, j]), float(self.delta[t, 2 * self.units + j])
        last = t + 1 == self.steps
        later = [] if last else [(float(self.hidden[t + 1, j]), float(self.s[t + 1, 1, j]))]
        yield self.arrival(t, j, *later)
        yield product(f"δn{here}", dh, z_, 1 - n**2)
        yield product(f"δz{here}", dh, float(self.h[t, j]) - n, z, z_)
        yield product(f"δr{here}", dn, float(self.q[t, j]), r, r_)


def sigmoid(z: Array) -> Array:
    """1 / (1 + e⁻ᶻ), accurate however small."""
    found: Array = np.exp(-np.logaddexp(0, -z))
    return found


def pairs(a: Array, b: Array) -> list[Product]:
    return list(zip(a.tolist(), b.tolist(), strict=True))


def product(left: str, *factors: float) -> Equation:
    return Equation(left, math.prod(factors), (factors,))


def added(
    left: str, value: float, terms: Sequence[Product], *constants: Product, function: str = ""
) -> Equation:
    """function(the sum of the terms and the constants), of many terms the largest one by one."""
    sizes = np.array([math.prod(term) for term in terms])
    kept = strongest(np.abs(sizes), SHOWN_WHOLE)
    rest = math.fsum(np.delete(sizes, kept).tolist())
    products = (*(terms[n] for n in kept), *constants)
    return Equation(left, value, products, function, len(terms) - len(kept), rest)
