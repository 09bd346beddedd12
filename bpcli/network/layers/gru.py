"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.buffers import scratch
from bpcli.network.layer import Array, Declared, Shape, Views
from bpcli.network.layers.recurrent import Recurrent, gate
from bpcli.spec import layers as spec

INPUT = ("weight", "bias")  # what multiplies [x 1]
RECURRENT = ("recurrent_bias", "recurrent_weight")  # what multiplies [1 h]


class Gru(Recurrent, spec.Gru):
    """The new state is a mixture of the last one and of a proposal n (Cho et al. 2014, in the form
    that PyTorch computes).

        [r z p] = xₜ W + b        [r' z' q] = hₜ₋₁ U + b_U
        r = σ(r + r')    z = σ(z + z')    n = tanh(p + r q)
        hₜ = (1 - z) n + z hₜ₋₁

    Going back, with s' = s (1 - s) the slope of a gate s:

        δn = ∂L/∂hₜ (1 - z) (1 - n²)    δz = ∂L/∂hₜ (hₜ₋₁ - n) z'    δr = δn q r'
        ∂L/∂hₜ₋₁ = ∂L/∂hₜ₋₁ as an output + ∂L/∂hₜ z + [δr δz δn·r] Uᵀ

    W and b receive [δr δz δn], U and b_U (`recurrent_bias`, which starts at 0) [δr δz δn·r].
    """

    gates = 3

    def parameters(self, input_shape: Shape) -> Declared:
        declared = super().parameters(input_shape)
        if self.bias:
            declared["recurrent_bias"] = ((3 * self.units,), "zeros")
        return declared

    def run(self, rows: Array, states: Array, parameters: Views) -> Any:
        steps, (count, units) = len(rows) - 1, states.shape[1:]
        gates = self.buffer("gates", (steps, 3, count, units), rows.dtype)  # r, z, n
        inputs = self.buffer("inputs", gates.shape, rows.dtype)  # then 1 - s of r and z
        h = self.buffer("carried", (3, count, units), rows.dtype)  # of r, z and n
        q = self.buffer("q", (steps, count, units), rows.dtype)
        proposed = self.buffer("proposed", (count, units), rows.dtype)
        limit = self.exponent_limit((2, count, units), rows.dtype)
        with_input, with_state = _split(rows, units)
        input_weights = self.stacked(INPUT, parameters)
        np.matmul(with_input[:, np.newaxis], input_weights, out=inputs)  # of all steps at once
        recurrent_weights = self.stacked(RECURRENT, parameters)
        for t in range(steps):
            x, (r, z, n) = inputs[t], gates[t]
            np.matmul(with_state[t], recurrent_weights, out=h)
            np.add(x[:2], h[:2], out=x[:2])
            gate(x[:2], gates[t, :2], limit)
            np.copyto(q[t], h[2])
            np.multiply(r, q[t], out=n)
            np.add(n, x[2], out=n)
            np.tanh(n, out=n)
            np.multiply(x[1], n, out=proposed)
            np.multiply(z, states[t], out=states[t + 1])
            np.add(states[t + 1], proposed, out=states[t + 1])
        return rows, states, gates, inputs[:, :2], q

    def run_back(self, cache: Any, hidden: Array, parameters: Views, gradients: Views) -> Array:
        rows, _, gates, _, _ = cache
        backward_weights = self.backward_weights(parameters)
        steps, count, units = hidden.shape
        by_proposal = scratch(hidden.shape, hidden.dtype)
        by_state = self.buffer("by_state", (3, count, units), hidden.dtype)
        delta = self.buffer("delta", (steps, count, 3 * units), hidden.dtype)
        gates_delta = self.by_gate(delta)
        kept = self.buffer("kept", (count, units), hidden.dtype)
        for t in reversed(range(steps)):
            self._local_derivatives(cache, t, by_proposal[t], by_state)
            np.multiply(by_state, hidden[t], out=gates_delta[:, t])
            if t > 0:
                self.send_back(gates_delta[:, t], backward_weights, hidden[t - 1])
                np.multiply(hidden[t], gates[t, 1], out=kept)
                np.add(hidden[t - 1], kept, out=hidden[t - 1])
        with_input, with_state = _split(rows, units)
        flat = delta.reshape(-1, 3 * units)
        self.write_gradients(RECURRENT, with_state, flat, gradients)
        np.multiply(by_proposal, hidden, out=gates_delta[2])  # δn·r made δn
        self.write_gradients(INPUT, with_input, flat, gradients)
        return flat

    def _local_derivatives(self, cache: Any, t: int, by_proposal: Array, by_state: Array) -> None:
        """Writes what ∂L/∂hₜ takes to become δn, and to become δr, δz and δn·r."""
        _, states, gates, rests, q = cache
        (r, z, n), (rest_r, rest_z) = gates[t], rests[t]
        np.multiply(n, n, out=by_proposal)
        np.subtract(1, by_proposal, out=by_proposal)
        np.multiply(by_proposal, rest_z, out=by_proposal)

        by_reset, by_update, by_carried = by_state
        np.multiply(by_proposal, r, out=by_carried)
        np.multiply(by_carried, q[t], out=by_reset)
        np.multiply(by_reset, rest_r, out=by_reset)
        np.subtract(states[t], n, out=by_update)
        np.multiply(by_update, z, out=by_update)
        np.multiply(by_update, rest_z, out=by_update)


def _split(rows: Array, units: int) -> tuple[Array, Array]:
    """[x 1] and [1 h] of every step."""
    return rows[:-1, :, :-units], rows[:-1, :, -units - 1 :]
