"""AdaGrad: parameters that have moved much move less."""

from __future__ import annotations

import numpy as np

from bpcli.optimization.optimizer import Array, Optimizer


class AdaGrad(Optimizer):
    """s ← s + g²        θ ← θ - η g / (√s + ε)        (Duchi, Hazan & Singer 2011)"""

    moments = ("squares",)
    decays = False

    def update(self, p: Array, g: Array, scalars: float, scratch: Array, *moments: Array) -> None:
        (s,) = moments
        np.multiply(g, g, out=scratch)
        np.add(s, scratch, out=s)
        np.sqrt(s, out=scratch)
        np.add(scratch, self.epsilon(), out=scratch)
        np.divide(g, scratch, out=scratch)
        np.multiply(scratch, scalars, out=scratch)
        np.subtract(p, scratch, out=p)
