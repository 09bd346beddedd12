"""A layer as a function: its forward pass alone, evaluated where a derivative is wanted.

Nothing here ever calls a `backward`: the numerical derivatives rest on forward passes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from bpcli.gradcheck.numerical import STEP, Slope, central, largest_of, one_sided
from bpcli.gradcheck.recording import Event
from bpcli.network import Network
from bpcli.network.layer import Array, Layer, Views
from bpcli.network.parameters import nest

Place = tuple[int | slice, ...]  # some elements of an array
INPUTS, INNER = "inputs", "inner"  # what a derivative can be taken by, besides parameters


class Twin:
    """A copy of a network in some precision whose layers are evaluated one at a time."""

    def __init__(self, network: Network, dtype: DTypeLike) -> None:
        self.network = network.copy(dtype)
        self.layers = {node.layer.path: node.layer for node in self.network.nodes}
        nested = nest(self.network.parameters, self.network.state)
        self._views = {path: branch(nested, path) for path in self.layers}
        self._state = self.network.state.vector.copy()

    def take(self, network: Network) -> None:
        """The values that the network has now."""
        self.network.parameters.vector[...] = network.parameters.vector
        self._state = network.state.vector.copy()
        self.restore_state()

    def views(self, path: str) -> Views:
        """The parameters and the state of a layer, as it reads them."""
        return self._views[path]

    def restore_state(self) -> None:
        """A forward pass may have moved running means."""
        if self._state.size:
            self.network.state.vector[...] = self._state


def branch(views: Views, path: str) -> Views:
    """What lies under a path of nested mappings; nothing where nothing does."""
    if path in views:
        found: Views = views[path]
        return found
    for name in path.split("."):
        views = views.get(name, {})
    return views


class StandIn:
    """Takes the place of the layers inside a layer: hands out what they would have given."""

    def __init__(self, outputs: Array) -> None:
        self.outputs = outputs
        self.received: list[Array] = []

    def forward(self, inputs: Array, *_: Any, **__: Any) -> tuple[Array, Any]:
        self.received.append(inputs.copy())
        return self.outputs, None


class LayerFunction:
    """y = f(x, θ): the forward pass of one layer, its dropout drawn the same every time.

    A layer that holds layers can be opened: it is then a function of x, its own parameters and
    the outputs u of the layers inside, which are functions of their own; or, ``received``, the
    function that says what the layers inside are given.
    """

    def __init__(
        self,
        event: Event,
        twins: tuple[Twin, Twin],
        *,
        inner: Array | None = None,
        received: bool = False,
    ) -> None:
        self.event, self.path, self.twins = event, event.node.layer.path, twins
        self.inner = inner  # u
        self._received = received
        self.seconds: float | None = None  # that one slope takes, once it was measured
        self.analytic = True  # until found otherwise: then central differences are taken

    @property
    def opened(self) -> bool:
        return self.inner is not None

    def of_received(self) -> LayerFunction:
        """What the layers inside are given, as a function."""
        other = LayerFunction(self.event, self.twins, inner=self.inner, received=True)
        other.analytic = self.analytic
        return other

    @property
    def differentiable(self) -> bool:
        """Whether there is a derivative by the inputs; there is none by codes of symbols."""
        return bool(self.event.inputs.dtype.kind == "f")

    def targets(self) -> list[str]:
        """Everything that a derivative of the layer can be taken by."""
        found = [INPUTS] if self.differentiable else []
        if self.opened:
            found.append(INNER)
        return found + own_parameters(self.twins[1].network, self.event.node.layer, self.opened)

    def value(self, target: str) -> Array:
        """Where the derivative by ``target`` is taken."""
        if target == INPUTS:
            return self.event.inputs
        if target == INNER:
            assert self.inner is not None
            return self.inner
        return _view(self.twins[1].views(self.path), target)

    def slope(self, directions: Mapping[str, Array]) -> Slope:
        """∂y along directions of inputs, u and parameters, all moved together."""
        if not self.analytic:
            return self.central(directions)
        largest = largest_of(*directions.values()) or 1.0
        step = {name: (STEP / largest * 1j) * d for name, d in directions.items()}
        return Slope(self._evaluate(self.twins[0], step).imag / STEP * largest)

    def slope_at(self, target: str, place: Place) -> Slope:
        """∂y along the direction that is 1 at some elements of a target and 0 at all others."""
        if not self.analytic or target in (INPUTS, INNER):
            direction = np.zeros(self.value(target).shape)
            direction[place] = 1
            return self.slope({target: direction})
        view = _view(self.twins[0].views(self.path), target)
        before = view[place].copy()
        view[place] += STEP * 1j
        try:
            return Slope(self._run(self.twins[0], {}).imag / STEP)
        finally:
            view[place] = before

    def central(self, directions: Mapping[str, Array]) -> Slope:
        """The same by central differences."""
        largest = largest_of(*directions.values())
        if largest == 0:
            zeros = np.zeros(self.outputs(directions).shape)
            return Slope(zeros, zeros)
        unit = {name: direction / largest for name, direction in directions.items()}
        values, noise = central(
            lambda t: self.outputs({name: t * d for name, d in unit.items()}),
            self._scale(directions),
            largest_of(*map(self.value, directions)),
        )
        assert noise is not None
        return Slope(values * largest, noise * largest)

    def one_sided(self, directions: Mapping[str, Array], step: float) -> tuple[Array, Array]:
        """From the left and from the right, along directions with values up to 1; the step is
        relative to the values that are moved."""
        return one_sided(
            lambda t: self.outputs({name: t * d for name, d in directions.items()}),
            step * self._scale(directions),
        )

    def stacked_slope(self, target: str, directions: Array) -> Slope:
        """Of several directions of the inputs or of u, on a leading axis, as one large batch.

        Only for layers that treat each example by itself.
        """
        copies = len(directions)
        values, noise = self.slope({target: directions})
        return Slope(_unfold(values, copies), None if noise is None else _unfold(noise, copies))

    def outputs(self, moved: Mapping[str, Array]) -> Array:
        """y where inputs, u or parameters are moved by so much."""
        return self._evaluate(self.twins[1], moved)

    def _scale(self, directions: Mapping[str, Array]) -> float:
        return min(max(largest_of(*map(self.value, directions)), 1e-2), 1.0)

    def _evaluate(self, twin: Twin, moved: Mapping[str, Array]) -> Array:
        kept = []
        try:
            for name, move in moved.items():
                if name not in (INPUTS, INNER):
                    view = _view(twin.views(self.path), name)
                    kept.append((view, view.copy()))
                    view += move
            return self._run(twin, moved)
        finally:
            for view, before in kept:
                view[...] = before

    def _run(self, twin: Twin, moved: Mapping[str, Array]) -> Array:
        """With parameters as they are now."""
        copies = 0
        for target in (INPUTS, INNER):
            if target in moved and moved[target].ndim > self.value(target).ndim:
                copies = len(moved[target])
        inputs = self._moved(twin, INPUTS, moved, copies)
        try:
            if self.opened:
                return self._opened(twin, inputs, self._moved(twin, INNER, moved, copies))
            return self._forward(twin, inputs)
        finally:
            twin.restore_state()

    def _moved(self, twin: Twin, target: str, moved: Mapping[str, Array], copies: int) -> Array:
        value = self.value(target)
        if target in moved:
            value = value + moved[target] if value.any() else np.asarray(moved[target])
        elif copies:
            value = np.broadcast_to(value, (copies, *value.shape))
        if value.dtype.kind == "f":
            value = value.astype(twin.network.dtype, copy=False)
        return value.reshape(-1, *value.shape[2:]) if copies else value

    def _forward(self, twin: Twin, inputs: Array) -> Array:
        outputs, _ = twin.layers[self.path].forward(
            inputs, twin.views(self.path), training=True, random=self.event.random()
        )
        return np.array(outputs)

    def _opened(self, twin: Twin, inputs: Array, inner: Array) -> Array:
        layer: Any = twin.layers[self.path]
        chain, layer.chain = layer.chain, StandIn(inner)
        try:
            outputs = self._forward(twin, inputs)
            self.calls = len(layer.chain.received)  # of the layers inside
            return layer.chain.received[0] if self._received else outputs
        finally:
            layer.chain = chain


def own_parameters(network: Network, layer: Layer, opened: bool) -> list[str]:
    """The names of a layer's parameters, without its path and, of one that is opened, without
    those of the layers inside."""
    chain = getattr(layer, "chain", None) if opened else None
    inside = tuple(f"{node.layer.path}." for node in chain.nodes) if chain is not None else ()
    path = layer.path + "."
    return [
        name.removeprefix(path)
        for name in network.parameters
        if name.startswith(path) and not name.startswith(inside)
    ]


def _view(views: Views, name: str) -> Array:
    found: Any = branch(views, name)
    view: Array = found
    return view


def _unfold(array: Array, copies: int) -> Array:
    return array.reshape(copies, -1, *array.shape[1:])
