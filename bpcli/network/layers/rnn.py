"""The plain recurrent layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.layer import Array, Views
from bpcli.network.layers.recurrent import JOINED, Recurrent, settle
from bpcli.network.special import positive_part
from bpcli.spec import layers as spec


class Rnn(Recurrent, spec.Rnn):
    """hₜ = φ(zₜ), zₜ = xₜ W + hₜ₋₁ U + b, φ tanh or relu (Elman 1990).

    With δₜ = ∂L/∂zₜ, going back from the last step to the first:

        ∂L/∂hₜ = ∂L/∂hₜ as an output + δₜ₊₁ Uᵀ        δₜ = ∂L/∂hₜ · φ'(zₜ)

    Through k steps the gradient is multiplied k times by Uᵀ and by slopes of at most 1: it
    vanishes where the largest singular value of U is below 1 (Pascanu et al. 2013).
    """

    def run(self, rows: Array, states: Array, parameters: Views) -> Any:
        weights = self.stacked(JOINED, parameters)[0]
        z = self.buffer("z", states.shape[1:], rows.dtype)
        for row, state in zip(rows, states[1:], strict=False):
            np.matmul(row, weights, out=z)
            settle(z)
            np.tanh(z, out=state) if self.activation == "tanh" else positive_part(z, state)
        return rows, states

    def run_back(self, cache: Any, hidden: Array, parameters: Views, gradients: Views) -> Array:
        rows, states = cache
        (backward_weights,) = self.backward_weights(parameters)
        delta = self.buffer("delta", hidden.shape, hidden.dtype)
        self._slopes(states[1:], delta)
        sent_back = self.buffer("sent_back", hidden.shape[1:], hidden.dtype)
        for t in reversed(range(len(hidden))):
            np.multiply(delta[t], hidden[t], out=delta[t])
            if t > 0:
                np.matmul(delta[t], backward_weights, out=sent_back)
                np.add(hidden[t - 1], sent_back, out=hidden[t - 1])
        delta = delta.reshape(-1, self.units)
        self.write_gradients(JOINED, rows[:-1], delta, gradients)
        return delta

    def _slopes(self, states: Array, out: Array) -> None:
        """φ'(z) of every step from h = φ(z): 1 - h², or 1 where h > 0."""
        if self.activation == "relu":
            np.greater(states.real, 0, out=out)
        else:
            np.multiply(states, states, out=out)
            np.subtract(1, out, out=out)
