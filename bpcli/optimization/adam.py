"""Adam: momentum, over the root of the running mean square, both corrected for their start."""

from __future__ import annotations

import math

import numpy as np

from bpcli.optimization.optimizer import Array, Optimizer


class Adam(Optimizer):
    """At step t (Kingma & Ba 2015):

        m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
        θ ← θ - η m̂ / (√v̂ + ε),     m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)

    The decayed sums M = m / (1 - β₁) and V = v / (1 - β₂) are kept instead of the means, which
    saves three of thirteen passes. With c = √((1 - β₂) / (1 - β₂ᵗ)), so that √v̂ = c √V, the
    update is η (1 - β₁) / ((1 - β₁ᵗ) c) · M / (√V + ε / c).
    """

    moments = ("gradients", "squares")

    def scalars(self, learning_rate: float) -> tuple[float, ...]:
        beta1, beta2 = self.options.beta1, self.options.beta2
        c = math.sqrt((1 - beta2) / (1 - beta2**self.steps))
        rate = learning_rate * (1 - beta1) / ((1 - beta1**self.steps) * c)
        return rate, self.epsilon() / c, learning_rate

    def update(
        self, p: Array, g: Array, scalars: tuple[float, ...], scratch: Array, *moments: Array
    ) -> None:
        (rate, epsilon, _), (M, V) = scalars, moments
        np.multiply(M, self.options.beta1, out=M)
        np.add(M, g, out=M)
        np.multiply(g, g, out=scratch)
        np.multiply(V, self.options.beta2, out=V)
        np.add(V, scratch, out=V)
        np.sqrt(V, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        np.divide(M, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(p, scratch, out=p)


class AdamW(Adam):
    """Adam after θ ← (1 - η λ) θ: weight decay apart from the gradient (Loshchilov & Hutter 2019).

    It pulls all parameters, biases and scales too, as PyTorch's does.
    """

    def update(
        self, p: Array, g: Array, scalars: tuple[float, ...], scratch: Array, *moments: Array
    ) -> None:
        np.multiply(p, 1 - self._decay(scalars), out=p)
        super().update(p, g, scalars, scratch, *moments)

    def change(self, p: Array, scalars: tuple[float, ...], scratch: Array) -> Array:
        """u + d θ of what Adam took off, u, and the share d that decayed, from θ' = (1 - d) θ - u:
        u + c (θ' + u) for c = d / (1 - d), in place as c ((1 + c) / c u + θ')."""
        decay = self._decay(scalars)
        if not 1e-20 < decay < 1:  # 0, or too little to be seen
            return scratch
        c = decay / (1 - decay)
        np.multiply(scratch, (1 + c) / c, out=scratch)
        np.add(scratch, p, out=scratch)
        return np.multiply(scratch, c, out=scratch)

    def _decay(self, scalars: tuple[float, ...]) -> float:
        return scalars[2] * float(self.options.weight_decay)
