"""A wrong gradient, and everything that could explain it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bpcli.gradcheck.functions import INNER, INPUTS, LayerFunction, branch
from bpcli.gradcheck.localisation import Examined
from bpcli.gradcheck.pullback import pullback, slopes
from bpcli.gradcheck.recording import Event
from bpcli.gradcheck.structure import explore, passes
from bpcli.network.layer import Array, Layer

MOST_NUMBERS = 20_000_000  # in all slopes of a layer: what a hypothesis may cost


@dataclass(frozen=True)
class Candidate:
    """A gradient that a certain mistake would give; ``text`` names the mistake."""

    text: str
    prediction: Array
    key: str = ""  # what it is called in any condition; the text unless given

    @property
    def name(self) -> str:
        return self.key or self.text


@dataclass
class Case:
    """One gradient of one layer, as its backward pass gives it and as it should be.

    ``before``: the layer's event of the pass before, on other examples; ``previous``: the event of
    the layer before it.
    """

    examined: Examined
    target: str
    analytic: Array
    numeric: Array
    before: Event | None
    previous: Event | None
    l2: float
    of_network: bool = False  # the gradient is the network's: the penalty is part of it

    @property
    def layer(self) -> Layer:
        return self.examined.backward.layer

    @property
    def function(self) -> LayerFunction:
        return self.examined.function

    @property
    def v(self) -> Array:
        return self.examined.v

    @property
    def inputs(self) -> Array:
        return self.function.event.inputs

    @property
    def outputs(self) -> Array:
        return self.function.event.outputs

    @property
    def batch(self) -> int:
        return len(self.inputs)

    @property
    def error(self) -> Array:
        return self.analytic - self.numeric

    @property
    def by_inputs(self) -> bool:
        return self.target == INPUTS

    @cached_property
    def parameters(self) -> dict[str, Array]:
        """Those of the layer itself."""
        names = [name for name in self.function.targets() if name not in (INPUTS, INNER)]
        return {name: self.function.value(name).copy() for name in names}

    @cached_property
    def quantities(self) -> dict[str, float]:
        """Numbers that a factor could be, by what they are called."""
        found: dict[str, float] = {f"the batch size ({self.batch})": self.batch}
        positions = math.prod(self.outputs.shape[1:-1])
        if self.outputs.ndim > 2:
            found[f"the number of positions ({positions})"] = positions
            found[f"batch size times positions ({self.batch * positions})"] = self.batch * positions
        for name, shape in (("inputs", self.inputs.shape), ("outputs", self.outputs.shape)):
            if len(shape) > 1:
                found[f"the number of {name} ({shape[-1]})"] = shape[-1]
        for field in dataclasses.fields(self.layer):
            value = getattr(self.layer, field.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                found[f"the layer's {field.name} ({value:g})"] = value
                if 0 < value < 1:
                    found[f"1 - {field.name} ({1 - value:g})"] = 1 - value
        return found

    def at(
        self,
        *,
        inputs: Array | None = None,
        parameters: Mapping[str, Array] | None = None,
        v: Array | None = None,
    ) -> Array:
        """What the gradient would be at another point, or for another gradient that arrives."""
        with self._moved(inputs, parameters or {}) as function:
            structure = explore(function, [self.target])
            return pullback(function, structure, self.target, self.v if v is None else v).values

    @contextmanager
    def _moved(
        self, inputs: Array | None, parameters: Mapping[str, Array]
    ) -> Iterator[LayerFunction]:
        event, function = self.function.event, self.function
        if inputs is not None:
            event = dataclasses.replace(event, inputs=inputs)
        moved = LayerFunction(event, function.twins, inner=function.inner)
        moved.analytic = function.analytic
        views: list[Any] = [
            branch(twin.views(function.path), name)
            for twin in function.twins
            for name in parameters
        ]
        before = [view.copy() for view in views]
        try:
            for twin in function.twins:
                for name, value in parameters.items():
                    view: Any = branch(twin.views(function.path), name)
                    view[...] = value
            yield moved
        finally:
            for view, kept in zip(views, before, strict=True):
                view[...] = kept

    @cached_property
    def contributions(self) -> list[tuple[Any, Array]] | None:
        """(place in the target, v ∂y/∂place) for each direction; None where that is too much."""
        structure = explore(self.function, [self.target])
        count = passes(self.function, structure, self.target)
        if count * self.outputs.size > MOST_NUMBERS:
            return None
        found = slopes(self.function, structure, self.target)
        self._pairs = structure.pairs[self.target]
        return [(place, values * self.v) for place, values in found]

    def gathered(self, add_up: Callable[[Array, tuple[int, ...]], Array]) -> Array | None:
        """The gradient if the contributions of the outputs, over the axes that are given, were
        put together in another way."""
        contributions = self.contributions
        if contributions is None:
            return None
        kept = {axis for _, axis in self._pairs}
        summed = tuple(axis for axis in range(self.outputs.ndim) if axis not in kept)
        result = np.zeros(self.numeric.shape)
        for place, products in contributions:
            result[place] = add_up(products, summed)
        return result


Hypothesis = Callable[[Case], Iterable[Candidate]]
