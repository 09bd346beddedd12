"""Long short-term memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.initializers import Blocks
from bpcli.network.layer import Array, Views
from bpcli.network.layers.recurrent import JOINED, Recurrent, gate
from bpcli.spec import layers as spec


class Lstm(Recurrent, spec.Lstm):
    """The cell c keeps what the forget gate lets it keep (Hochreiter & Schmidhuber 1997; the forget
    gate: Gers et al. 2000).

        [i f g o] = xₜ W + hₜ₋₁ U + b, then σ of i, f and o, tanh of g
        cₜ = f cₜ₋₁ + i g        hₜ = o tanh cₜ

    Going back, with s' = s (1 - s) the slope of a gate s and ∂cₜ = ∂L/∂cₜ:

        ∂cₜ = ∂cₜ₊₁ fₜ₊₁ + ∂L/∂hₜ o (1 - tanh² cₜ)
        δi = ∂cₜ g i'    δf = ∂cₜ cₜ₋₁ f'    δg = ∂cₜ i (1 - g²)    δo = ∂L/∂hₜ tanh(cₜ) o'
        ∂L/∂hₜ₋₁ = ∂L/∂hₜ₋₁ as an output + δₜ Uᵀ

    From cell to cell the gradient is only multiplied by f: while f is 1 it does not vanish. That
    is why the bias of the forget gate starts at 1 (Jozefowicz et al. 2015), the others at 0.
    """

    gates = 4

    def first_bias(self) -> Any:
        return Blocks(("zeros", "ones", "zeros", "zeros"))

    def run(self, rows: Array, states: Array, parameters: Views) -> Any:
        weights = self.stacked(JOINED, parameters)
        steps, (count, units) = len(rows) - 1, states.shape[1:]
        gates = self.buffer("gates", (steps, 4, count, units), rows.dtype)
        rests = self.buffer("rests", gates.shape, rows.dtype)  # 1 - s of i, f and o
        cells = self.buffer("cells", (steps + 1, count, units), rows.dtype)
        squashed = self.buffer("squashed", (steps, count, units), rows.dtype)  # tanh c
        added = self.buffer("added", (count, units), rows.dtype)
        limit = self.exponent_limit((2, count, units), rows.dtype)
        cells[0] = 0
        for t in range(steps):
            z, (i, f, g, o), c = rests[t], gates[t], cells[t + 1]
            np.matmul(rows[t], weights, out=z)
            gate(z[:2], gates[t, :2], limit)
            np.tanh(z[2], out=g)
            gate(z[3], o, limit[0])
            np.multiply(f, cells[t], out=c)
            np.multiply(i, g, out=added)
            np.add(c, added, out=c)
            np.tanh(c, out=squashed[t])
            np.multiply(o, squashed[t], out=states[t + 1])
        return rows, gates, rests, cells, squashed

    def run_back(self, cache: Any, hidden: Array, parameters: Views, gradients: Views) -> Array:
        rows, gates, *_ = cache
        backward_weights = self.backward_weights(parameters)
        steps, count, units = hidden.shape
        delta = self.buffer("delta", (steps, count, 4 * units), hidden.dtype)
        gates_delta = delta.reshape(steps, count, 4, units).swapaxes(1, 2)
        slopes = self.buffer("slopes", (4, count, units), hidden.dtype)
        by_cell, cell, scratch = self.buffer("scratch", (3, count, units), hidden.dtype)
        cell.fill(0)
        for t in reversed(range(steps)):
            self._local_derivatives(cache, t, slopes, by_cell)
            np.multiply(hidden[t], by_cell, out=scratch)
            np.add(cell, scratch, out=cell)
            np.multiply(slopes[:3], cell, out=gates_delta[t, :3])
            np.multiply(slopes[3], hidden[t], out=gates_delta[t, 3])
            if t > 0:
                np.multiply(cell, gates[t, 1], out=cell)
                self.send_back(gates_delta[t], backward_weights, hidden[t - 1])
        delta = delta.reshape(-1, 4 * units)
        self.write_gradients(JOINED, rows[:-1], delta, gradients)
        return delta

    def _local_derivatives(self, cache: Any, t: int, slopes: Array, by_cell: Array) -> None:
        """Writes what δi, δf, δg and δo take times ∂cₜ or ∂L/∂hₜ, and ∂hₜ/∂cₜ."""
        _, gates, rests, cells, squashed = cache
        i, _, g, o = gates[t]
        np.multiply(gates[t], rests[t], out=slopes)
        _tanh_slope(g, slopes[2])
        for slope, factor in zip(slopes, (g, cells[t], i, squashed[t]), strict=True):
            np.multiply(slope, factor, out=slope)
        _tanh_slope(squashed[t], by_cell)
        np.multiply(by_cell, o, out=by_cell)


def _tanh_slope(y: Array, out: Array) -> None:
    """1 - y²."""
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
