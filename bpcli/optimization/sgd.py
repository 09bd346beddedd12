"""Stochastic gradient descent (Robbins & Monro 1951) and momentum."""

from __future__ import annotations

import numpy as np

from bpcli.optimization.optimizer import Array, Optimizer


class Sgd(Optimizer):
    """θ ← θ - η g; with momentum μ (Polyak 1964; Sutskever et al. 2013, as PyTorch writes it):

    u ← μ u + g        θ ← θ - η u, or with `nesterov` θ ← θ - η (g + μ u)
    """

    def _kept(self) -> tuple[str, ...]:
        return ("velocity",) if self.options.momentum else ()

    def update(self, p: Array, g: Array, scalars: float, scratch: Array, *moments: Array) -> None:
        direction = g
        if moments:
            (u,) = moments
            np.multiply(u, self.options.momentum, out=u)
            np.add(u, g, out=u)
            direction = u
            if self.options.nesterov:
                np.multiply(u, self.options.momentum, out=scratch)
                direction = np.add(scratch, g, out=scratch)
        np.multiply(direction, scalars, out=scratch)
        np.subtract(p, scratch, out=p)
