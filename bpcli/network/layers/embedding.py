"""The embedding: symbols become vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.errors import DataError, ShapeError
from bpcli.network.layer import Array, Declared, Layer, Shape, Views
from bpcli.spec import layers as spec


class Embedding(Layer, spec.Embedding):
    """y = E[code], a row of E (vocabulary, dimension) for each code (Bengio et al. 2003).

    It is a dense layer whose input is one-hot, so ∂L/∂E is Σ onehot(code) δ: every row receives
    the gradients of all places where its symbol stands. Codes have no gradient. Raises DataError
    on codes that are not integers from 0 to vocabulary - 1.
    """

    takes_codes = True

    def parameters(self, input_shape: Shape) -> Declared:
        return {"weight": ((self.vocabulary, self.dimension), self.init)}

    def output_shape(self, input_shape: Shape) -> Shape:
        if self.vocabulary is None:
            raise ShapeError(
                "embedding takes codes of symbols, such as text has; the data bring no vocabulary, "
                "so give its size, `vocabulary: 64`, or remove the layer"
            )
        return (*input_shape, self.dimension)

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Any
    ) -> tuple[Array, Any]:
        self._check(inputs)
        weight = parameters["weight"]
        outputs = self.buffer("outputs", (*inputs.shape, self.dimension), weight.dtype)
        weight.take(inputs, axis=0, out=outputs, mode="clip")  # quicker than the default mode
        return outputs, inputs

    def backward(
        self, cache: Array, output_gradient: Array, parameters: Views, gradients: Views
    ) -> None:
        codes, delta = cache.reshape(-1), output_gradient.reshape(-1, self.dimension)
        small = np.min_scalar_type(len(gradients["weight"]))  # short integers sort in one sweep
        order = codes.astype(small).argsort(kind="stable")
        rows = self.buffer("rows", delta.shape, delta.dtype)
        delta.take(order, axis=0, out=rows, mode="clip")
        present, starts = np.unique(codes.take(order), return_index=True)
        gradients["weight"].fill(0)
        gradients["weight"][present] = np.add.reduceat(rows, starts, axis=0)

    def _check(self, codes: Array) -> None:
        if codes.dtype.kind not in "iu":
            raise DataError(
                f"{self.path or self.name} takes integer codes, received {codes.dtype}; an "
                "embedding stands first, before numbers are made of the codes"
            )
        assert self.vocabulary is not None
        if codes.size and not 0 <= codes.min() <= codes.max() < self.vocabulary:
            raise DataError(
                f"{self.path or self.name} takes codes from 0 to {self.vocabulary - 1}, "
                f"received {codes.min()} to {codes.max()}"
            )
