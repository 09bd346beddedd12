"""Attention: every position of a sequence looks at all others and takes what it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from bpcli.errors import ShapeError
from bpcli.network import threads
from bpcli.network.buffers import scratch
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.network.layers.dropout import Dropout
from bpcli.network.layers.sequence import require_sequence
from bpcli.network.special import row_maximum
from bpcli.spec import layers as spec

_PROJECTIONS = ("query", "key", "value")


class Attention(Layer, spec.Attention):
    """Multi-head self-attention; x (time, features) -> y of that shape (Vaswani et al. 2017).

        Q = x W_Q + b_Q    K = x W_K + b_K    V = x W_V + b_V, features / heads = d columns a head
        S = Q Kᵀ / √d      P = softmax(S) over the keys       C = P V
        y = [C of all heads side by side] W_O + b_O

    With ``causal`` position t sees no key after t. While training, `dropout` silences a share of P.
    Going back, with ∂C = ∂L/∂y W_Oᵀ:

        ∂V = Pᵀ ∂C    ∂P = ∂C Vᵀ    ∂S = P (∂P - Σ ∂P P)    ∂Q = ∂S K / √d    ∂K = ∂Sᵀ Q / √d

    The sum over the keys is Σ ∂C C over d, which is shorter (Dao et al. 2022). P is kept as
    E = exp(S - max S) and its row sums n; dividing C and ∂C by n spares dividing E.
    """

    shares_work = True

    def build(self, input_shape: Shape) -> None:
        self._dropout = Dropout(rate=self.dropout)
        self.stochastic = self.dropout > 0

    def parameters(self, input_shape: Shape) -> Declared:
        features = input_shape[-1]
        declared: Declared = {}
        for name in (*_PROJECTIONS, "output"):
            declared[f"{name}_weight"] = ((features, features), self.init)
        for name in (*_PROJECTIONS, "output") if self.bias else ():
            declared[f"{name}_bias"] = ((features,), "zeros" if self.bias is True else self.bias)
        return declared

    def output_shape(self, input_shape: Shape) -> Shape:
        require_sequence(self, input_shape)
        if input_shape[-1] % self.heads:
            raise ShapeError(
                f"attention gives each head an equal share of the features, so `heads` must divide "
                f"their number: received {self.heads} heads for {input_shape[-1]} features"
            )
        return input_shape

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        weight, projected = self._project(inputs, parameters)
        query, key, value = self._heads(projected, 3)
        np.multiply(query, 1 / math.sqrt(query.shape[-1]), out=query)
        exponentials, sums = self._exponentials(query, key)
        kept, dropped = self._dropout.forward(exponentials, {}, training=training, random=random)

        context = self.buffer("context", inputs.shape, inputs.dtype)
        (mixed,) = self._heads(context, 1)

        def mix(part: slice) -> None:
            np.matmul(kept[part], value[part], out=mixed[part])
            np.divide(mixed[part], sums[part], out=mixed[part])

        threads.share(mix, len(kept), kept.size)
        outputs = self.buffer("outputs", inputs.shape, inputs.dtype)
        threads.matmul(_rows(context), parameters["output_weight"], out=_rows(outputs))
        if self.bias:
            np.add(outputs, parameters["output_bias"], out=outputs)
        return outputs, (inputs, weight, projected, exponentials, sums, kept, dropped, context)

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        inputs, weight, projected, exponentials, sums, kept, dropped, context = cache
        delta = _rows(output_gradient)
        threads.matmul(_rows(context).T, delta, out=gradients["output_weight"])
        if self.bias:
            np.add.reduce(delta, axis=0, out=gradients["output_bias"])
        by_context = self.buffer("context_gradient", inputs.shape, inputs.dtype)
        threads.matmul(delta, parameters["output_weight"].T, out=_rows(by_context))

        (mixed,), (by_mixed,) = self._heads(context, 1), self._heads(by_context, 1)
        query, key, value = self._heads(projected, 3)
        by_projected = self.buffer("projected_gradient", projected.shape, inputs.dtype)
        by_query, by_key, by_value = self._heads(by_projected, 3)
        by_scores = scratch(exponentials.shape, inputs.dtype)

        def back(part: slice) -> None:
            by_c, by_s = by_mixed[part], by_scores[part]
            np.divide(by_c, sums[part], out=by_c)
            np.matmul(kept[part].swapaxes(-1, -2), by_c, out=by_value[part])
            np.matmul(by_c, value[part].swapaxes(-1, -2), out=by_s)
            if dropped is not None:
                np.multiply(by_s, dropped[part], out=by_s)
            shared = np.einsum("nhtd,nhtd->nht", by_c, mixed[part])
            np.subtract(by_s, shared[..., np.newaxis], out=by_s)
            np.multiply(by_s, exponentials[part], out=by_s)
            np.matmul(by_s, key[part], out=by_query[part])
            np.matmul(by_s.swapaxes(-1, -2), query[part], out=by_key[part])

        threads.share(back, len(inputs), by_scores.size)
        np.multiply(by_query, 1 / math.sqrt(query.shape[-1]), out=by_query)
        self._write_projections(_rows(inputs), _rows(by_projected), gradients)
        if not self.needs_input_gradient:
            return None
        input_gradient = self.buffer("input_gradient", inputs.shape, inputs.dtype)
        threads.matmul(_rows(by_projected), weight.T, out=_rows(input_gradient))
        return input_gradient

    def _exponentials(self, query: Array, key: Array) -> tuple[Array, Array]:
        """E and n; the query holds 1/√d already."""
        count, heads, time, _ = query.shape
        exponentials = self.buffer("exponentials", (count, heads, time, time), query.dtype)
        sums = self.buffer("sums", (count, heads, time, 1), query.dtype)
        hidden = _hidden(time, query.real.dtype) if self.causal else None
        ones = np.ones((time, 1), query.dtype)

        def exponentiate(part: slice) -> None:
            e = exponentials[part]
            np.matmul(query[part], key[part].swapaxes(-1, -2), out=e)
            if hidden is not None:
                np.add(e, hidden, out=e)
            np.subtract(e, row_maximum(e), out=e)
            np.exp(e, out=e)
            np.matmul(e, ones, out=sums[part])

        threads.share(exponentiate, count, exponentials.size)
        return exponentials, sums

    def _project(self, inputs: Array, parameters: Views) -> tuple[Array, Array]:
        """[W_Q W_K W_V], and Q, K and V side by side by one product."""
        features = inputs.shape[-1]
        weight = self.buffer("weight", (features, 3 * features), inputs.dtype)
        for name, columns in _thirds(weight):
            columns[...] = parameters[f"{name}_weight"]
        projected = self.buffer("projected", (*inputs.shape[:-1], 3 * features), inputs.dtype)
        threads.matmul(_rows(inputs), weight, out=_rows(projected))
        if self.bias:
            bias = np.concatenate([parameters[f"{name}_bias"] for name in _PROJECTIONS])
            np.add(projected, bias, out=projected)
        return weight, projected

    def _write_projections(self, inputs: Array, delta: Array, gradients: Views) -> None:
        """∂L/∂W = xᵀ δ and ∂L/∂b = Σ δ of Q, K and V, δ of them side by side."""
        shape = (inputs.shape[1], delta.shape[1])
        by_weight = self.buffer("weight_gradient", shape, inputs.dtype)
        threads.matmul(inputs.T, delta, out=by_weight)
        for name, columns in _thirds(by_weight):
            gradients[f"{name}_weight"][...] = columns
        if self.bias:
            for name, total in _thirds(np.add.reduce(delta, axis=0)):
                gradients[f"{name}_bias"][...] = total

    def _heads(self, array: Array, number: int) -> Array:
        """A view (number, batch, heads, time, d) of that many arrays side by side."""
        count, time, width = array.shape
        depth = width // (number * self.heads)
        return array.reshape(count, time, number, self.heads, depth).transpose(2, 0, 3, 1, 4)


def _thirds(array: Array) -> Iterator[tuple[str, Array]]:
    """The columns of the query, the key and the value, by name."""
    return zip(_PROJECTIONS, np.split(array, 3, axis=-1), strict=True)


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


@lru_cache(maxsize=8)
def _hidden(time: int, dtype: Any) -> Array:
    """What makes exp(S) 0 where the key stands after the query. It is finite: on complex numbers
    -inf becomes nan."""
    return np.triu(np.full((time, time), np.finfo(dtype).min / 2, dtype), 1)
