"""The local derivatives of one layer at its example, found from its forward pass alone.

A complex step is exact to rounding, and owes nothing to the backward pass that it explains.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.exceptions import ComplexWarning

from bpcli.gradcheck.failures import ENDS
from bpcli.gradcheck.functions import branch
from bpcli.network import Network
from bpcli.network.parameters import ParameterVector, nest
from bpcli.report.trace.document import Equation
from bpcli.report.trace.example import SHOWN_WHOLE, Array, Event, strongest

_STEP = 1e-20
_AGREE = 1e-8  # what a sum of terms may differ by, relative to their sizes


class LocalDerivatives:
    """∂y/∂x and ∂y/∂θ of a network's layers, at parameters that may since have moved on."""

    def __init__(self, network: Network, vector: Array) -> None:
        layout = network.parameters.layout
        self._moved = ParameterVector(layout, np.complex128)
        self._moved.vector[...] = vector
        self._moved_views = nest(self._moved, network.state)
        values, scratch = ParameterVector(layout, vector.dtype), ParameterVector(layout, "float64")
        values.vector[...] = vector
        self._views, self._scratch = nest(values, network.state), nest(scratch)

    def by_inputs(self, event: Event, flat: Sequence[int]) -> Array | None:
        """(inputs, outputs): how every output moves with each of these inputs."""
        count = len(flat)
        inputs = np.repeat(event.inputs[np.newaxis], count, axis=0).astype(np.complex128)
        inputs.reshape(count, -1)[np.arange(count), flat] += _STEP * 1j
        return self._moving(event, inputs)

    def by_parameter(self, event: Event, name: str, flat: Sequence[int]) -> Array | None:
        """(elements, outputs): the same for elements of one of its parameters."""
        array, rows = self._moved[name].reshape(-1), []
        codes = event.node.layer.takes_codes
        inputs = event.inputs[np.newaxis] if codes else event.inputs[np.newaxis].astype(complex)
        for index in flat:
            before = array[index]
            array[index] += _STEP * 1j
            rows.append(self._moving(event, inputs))
            array[index] = before
        known = [row for row in rows if row is not None]
        return np.concatenate(known) if len(known) == len(rows) and known else None

    def _moving(self, event: Event, inputs: Array) -> Array | None:
        """∂y, (batch, outputs); None where the layer does not take complex numbers."""
        layer, random = event.node.layer, np.random.default_rng(0)
        views = branch(self._moved_views, layer.path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ComplexWarning)
                outputs, _ = layer.forward(inputs, views, training=False, random=random)
        except ENDS:  # whatever a user's layer raises
            return None
        found: Array = np.asarray(outputs).imag.reshape(len(inputs), -1) / _STEP
        return found

    def of_outputs(self, event: Event, flat: Sequence[int]) -> Array:
        """(outputs asked for, inputs): what each of them is made of in a layer that adds up.

        Row by row of a product that only the layer's own backward pass has; the caller compares
        what the row gives with the output.
        """
        layer, count = event.node.layer, len(flat)
        batch = np.repeat(event.inputs[np.newaxis], count, axis=0)
        views, scratch = branch(self._views, layer.path), branch(self._scratch, layer.path)
        random = np.random.default_rng(0)
        outputs, cache = layer.forward(batch, views, training=False, random=random)
        one_hot = np.zeros(outputs.shape)
        one_hot.reshape(count, -1)[np.arange(count), flat] = 1
        rows = layer.backward(cache, one_hot, views, scratch)
        assert rows is not None
        return rows.reshape(count, -1).copy()


def chained(
    left: str, value: float, arrives: Array, derivatives: Array | None, *more: tuple[float, ...]
) -> Equation:
    """Σ gradient that arrives × local derivative (+ more), its largest terms one by one; the value
    alone where the derivatives are not known or do not give it."""
    if derivatives is None:
        return Equation(left, value)
    equation = weighted(left, value, arrives, derivatives)
    terms = [math.prod(product) for product in (*equation.products, *more)]
    size = math.fsum(map(abs, terms)) + abs(equation.rest)
    if not abs(math.fsum([*terms, equation.rest]) - value) <= _AGREE * size:
        return Equation(left, value)
    products = (*equation.products, *more)
    return Equation(left, value, products, "", equation.left_out, equation.rest)


def weighted(
    left: str, value: float, factors: Array, weights: Array, *more: tuple[float, ...]
) -> Equation:
    """Σ factor × weight over the weights that are not 0 (+ more), the largest terms one by one."""
    there = np.flatnonzero(weights)
    terms = factors[there] * weights[there]
    kept = strongest(np.abs(terms), SHOWN_WHOLE)
    products = tuple((float(factors[there[i]]), float(weights[there[i]])) for i in kept)
    rest = math.fsum(np.delete(terms, kept).tolist())
    return Equation(left, value, (*products, *more), "", len(there) - len(kept), rest)
