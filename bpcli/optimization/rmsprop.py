"""RMSprop: the gradient over the root of its running mean square."""

from __future__ import annotations

import math

import numpy as np

from bpcli.optimization.optimizer import Array, Optimizer


class RmsProp(Optimizer):
    """v ← ρ v + (1 - ρ) g²        θ ← θ - η g / (√v + ε)        (Tieleman & Hinton 2012)

    With momentum μ: u ← μ u + g / (√v + ε), θ ← θ - η u. The decayed sum V = v / (1 - ρ) is kept
    instead of the mean v; with c = √(1 - ρ) the quotient is g / (√V + ε / c) / c.
    """

    def _kept(self) -> tuple[str, ...]:
        return ("squares", "velocity") if self.options.momentum else ("squares",)

    def scalars(self, learning_rate: float) -> tuple[float, float]:
        c = math.sqrt(1 - self.options.decay)
        return learning_rate / c, self.epsilon() / c

    def update(
        self, p: Array, g: Array, scalars: tuple[float, float], scratch: Array, *moments: Array
    ) -> None:
        (rate, epsilon), V = scalars, moments[0]
        np.multiply(g, g, out=scratch)
        np.multiply(V, self.options.decay, out=V)
        np.add(V, scratch, out=V)
        np.sqrt(V, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        np.divide(g, scratch, out=scratch)
        if self.options.momentum:
            u = moments[1]
            np.multiply(u, self.options.momentum, out=u)
            np.add(u, scratch, out=u)
            np.multiply(u, rate, out=scratch)
        else:
            np.multiply(scratch, rate, out=scratch)
        np.subtract(p, scratch, out=p)
