"""What the recurrent layers share: a state that is carried from step to step.

A cell makes the next state out of the input and the last state, hₜ = f(xₜ, hₜ₋₁), with the same
weights at every step. Written out over the whole sequence it is a deep network, and the gradient
goes back through it step by step (backpropagation through time, Werbos 1990):

    ∂L/∂hₜ = ∂L/∂hₜ as an output + (∂hₜ₊₁/∂hₜ)ᵀ ∂L/∂hₜ₊₁

Every step back multiplies by another Jacobian: that is where gradients vanish or explode through
time. The gradients by the weights add up over the steps.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from bpcli.network import threads
from bpcli.network.buffers import scratch
from bpcli.network.initializers import per_block
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.network.layers.sequence import require_sequence
from bpcli.network.special import LARGEST_EXPONENT
from bpcli.spec.layers import RecurrentOptions

_FEW = np.ones(16, np.float32)
JOINED = ("weight", "bias", "recurrent_weight")  # what multiplies [x 1 h]


class Recurrent(Layer, RecurrentOptions):
    """x (time, features) -> h (time, units), or the last h; before the first step h is 0.

    The weights of all gates stand side by side: W (features, gates · units), U (units, gates ·
    units), b (gates · units,). A subclass writes the cell: :meth:`run` from the first step to the
    last, :meth:`run_back` from the last to the first.

    Inside, time is the first axis, and each step's row holds [x 1 h]: the input, a 1 that the bias
    multiplies, and the state before the step. One product with [W; b; U] gives every gate.
    """

    gates = 1

    def run(self, rows: Array, states: Array, parameters: Views) -> Any:
        """Writes every hₜ into ``states[t + 1]``, a view into ``rows``; returns its cache."""
        raise NotImplementedError

    def run_back(self, cache: Any, hidden: Array, parameters: Views, gradients: Views) -> Array:
        """Adds to ``hidden``, ∂L/∂hₜ as outputs, what the later steps send back; writes the
        gradients by the parameters and returns δ = ∂L/∂(x W), (time · batch, gates · units)."""
        raise NotImplementedError

    def parameters(self, input_shape: Shape) -> Declared:
        width = self.gates * self.units
        declared: Declared = {
            "weight": ((input_shape[-1], width), per_block(self.init, self.gates)),
            "recurrent_weight": ((self.units, width), per_block(self.recurrent_init, self.gates)),
        }
        if self.bias:
            declared["bias"] = ((width,), self.first_bias() if self.bias is True else self.bias)
        return declared

    def first_bias(self) -> Any:
        """How the bias starts unless the spec says otherwise."""
        return "zeros"

    def output_shape(self, input_shape: Shape) -> Shape:
        require_sequence(self, input_shape)
        return (input_shape[0], self.units) if self.returns == "sequence" else (self.units,)

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        count, time, features = inputs.shape
        rows = self.buffer("rows", (time + 1, count, features + 1 + self.units), inputs.dtype)
        states = rows[:, :, features + 1 :]
        rows[:-1, :, :features] = inputs.swapaxes(0, 1)
        rows[:, :, features] = 1
        states[0] = 0
        cache = self.run(rows, states, parameters)
        returned = states[1:].swapaxes(0, 1) if self.returns == "sequence" else states[-1]
        outputs = self.buffer("outputs", returned.shape, inputs.dtype)
        np.copyto(outputs, returned)
        return outputs, (cache, inputs.shape)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        own, (count, time, features) = cache
        dtype = output_gradient.dtype
        hidden = self.buffer("hidden_gradients", (time, count, self.units), dtype)
        if self.returns == "sequence":
            np.copyto(hidden, output_gradient.swapaxes(0, 1))
        else:
            hidden[:-1] = 0
            hidden[-1] = output_gradient
        delta = self.run_back(own, hidden, parameters, gradients)
        self.hidden_gradients = hidden
        if not self.needs_input_gradient:
            return None
        by_time = scratch((time, count, features), dtype)
        threads.matmul(delta, parameters["weight"].T, out=by_time.reshape(-1, features))
        input_gradient = self.buffer("input_gradient", (count, time, features), dtype)
        np.copyto(input_gradient, by_time.swapaxes(0, 1))
        return input_gradient

    def stacked(self, names: tuple[str, ...], parameters: Views) -> Array:
        """The parameters one below the other, gate by gate: (gates, rows, units). A bias is one
        row, of zeros where the layer has none."""
        places = self._places(names, parameters)
        shape = (self.gates, places[-1][1].stop, self.units)
        stack = self.buffer(f"stacked {names[0]}", shape, parameters["weight"].dtype)
        for name, place in places:
            present = name in parameters
            stack[:, place] = self.by_gate(np.atleast_2d(parameters[name])) if present else 0
        return stack

    def backward_weights(self, parameters: Views) -> Array:
        """Uᵀ of every gate, (gates, units, units), in an array of its own: the product of every
        step takes a third less time with it than with a view of U."""
        transposed = self.by_gate(parameters["recurrent_weight"]).swapaxes(1, 2)
        own = self.buffer("backward_weights", transposed.shape, transposed.dtype)
        np.copyto(own, transposed)
        return own

    def send_back(self, delta: Array, backward_weights: Array, hidden: Array) -> None:
        """Adds δ Uᵀ of one step, whose δ (gates, batch, units) is given, to ``hidden``.

        Gate by gate: OpenBLAS's AVX-512 products of small matrices, up to 10⁶ multiplications,
        spare the packing. Four of 128 units by a batch of 32 take 0.6 of the time of one of 512.
        """
        shares = self.buffer("sent_back", (self.gates, *hidden.shape), hidden.dtype)
        np.matmul(delta, backward_weights, out=shares)
        for share in shares:
            np.add(hidden, share, out=hidden)

    def write_gradients(
        self, names: tuple[str, ...], rows: Array, delta: Array, gradients: Views
    ) -> None:
        """∂L/∂stack = Σₜ rowsₜᵀ δₜ, one product over all steps."""
        rows = rows.reshape(len(delta), -1)
        shape = (rows.shape[1], delta.shape[1])
        stack = self.buffer(f"gradient {names[0]}", shape, delta.dtype)
        threads.matmul(rows.T, delta, out=stack)
        for name, place in self._places(names, gradients):
            if name in gradients:
                gradients[name][...] = stack[place].reshape(gradients[name].shape)

    def _places(self, names: tuple[str, ...], views: Views) -> list[tuple[str, slice]]:
        heights = (len(views[name]) if name.endswith("weight") else 1 for name in names)
        stops = list(accumulate(heights))
        return list(zip(names, map(slice, [0, *stops], stops), strict=False))

    def by_gate(self, parameter: Array) -> Array:
        """A view with the gates, which lie side by side in the last axis, as the first axis."""
        split = parameter.reshape(*parameter.shape[:-1], self.gates, self.units)
        return np.moveaxis(split, -2, 0)

    def exponent_limit(self, shape: Shape, dtype: Any) -> Array:
        """The largest exponent again and again: to compare with an array is three times as fast
        as with a number."""
        limit = self.buffer("limit", shape, dtype)
        limit.fill(LARGEST_EXPONENT[np.dtype(dtype).char])
        return limit


def settle(z: Array) -> None:
    """To call between a product of matrices and a function of the C library on z.

    OpenBLAS's AVX-512 product of complex matrices leaves the upper halves of registers dirty, and
    the exponential of complex numbers, which is written for older ones, takes twenty times as long
    until some loop of NumPy's cleans them: a check of an LSTM's gradients took three times as long.
    """
    if z.dtype.kind == "c":
        np.negative(_FEW, out=_FEW)


def gate(z: Array, opening: Array, limit: Array) -> None:
    """Writes s = σ(z) into ``opening`` and 1 - s into z; both accurate however small they are."""
    settle(z)
    np.minimum(z, limit, out=z)
    np.exp(z, out=opening)
    np.add(opening, 1, out=z)
    np.reciprocal(z, out=z)
    np.multiply(opening, z, out=opening)
