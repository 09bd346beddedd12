"""A layer's own backward pass, run alone: what it gives, and whether it keeps its promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.gradcheck.failures import ENDS, broken, raised
from bpcli.gradcheck.functions import INNER, INPUTS, branch, own_parameters
from bpcli.gradcheck.recording import Event, fill_with_junk
from bpcli.network import Network
from bpcli.network.layer import Array, Layer
from bpcli.network.parameters import nest

Gradients = dict[str, Array]  # by target


class _StandIn:
    """Takes the place of the layers inside a layer, on the way there and back."""

    def __init__(self, outputs: Array, input_gradient: Array | None) -> None:
        self.outputs, self.input_gradient = outputs, input_gradient
        self.arrived: Array | None = None

    def forward(self, inputs: Array, *_: Any, **__: Any) -> tuple[Array, Any]:
        return self.outputs.copy(), None

    def backward(self, caches: Any, output_gradient: Array, *_: Any) -> Array | None:
        self.arrived = output_gradient.copy()
        return None if self.input_gradient is None else self.input_gradient.copy()


class LayerBackward:
    """One layer of the network under check at its place, with the inputs that reached it."""

    def __init__(
        self,
        network: Network,
        event: Event,
        *,
        inner: Array | None = None,
        inner_gradient: Array | None = None,
    ) -> None:
        self.network, self.event = network, event
        self.layer: Layer = event.node.layer
        self.inner, self.inner_gradient = inner, inner_gradient
        path = self.layer.path
        self._parameters = branch(nest(network.parameters, network.state), path)
        self._gradients = branch(nest(network.gradients), path)
        self.own_parameters = own_parameters(network, self.layer, inner is not None)
        self._names = [f"{path}.{name}" for name in self.own_parameters]
        self._state = network.state.vector.copy()
        self.outputs, self.cache = self._forward(event.inputs.copy())

    def gradients(
        self, v: Array, *, inner_gradient: Array | None = None, cache: Any = None
    ) -> Gradients:
        """By inputs, parameters and, of a layer that holds layers, by what those give.

        ``inner_gradient`` is what the layers inside would send back, unless the usual.
        """
        self._put_junk()
        inner = self.inner_gradient if inner_gradient is None else inner_gradient
        return self._backward(v.copy(), inner, self.cache if cache is None else cache)

    def _put_junk(self) -> None:
        for name in self._names:
            fill_with_junk(self.network.gradients[name])

    def with_cache_moved(self, v: Array, size: float, seed: int) -> Gradients:
        """With every real number in the cache changed by a random share of this size."""
        random = default_rng(seed)
        return self.gradients(v, cache=mapped(self.cache, lambda a: _moved(a, size, random)))

    def with_values_moved(self, v: Array, size: float, seed: int) -> Gradients:
        """With inputs and parameters changed so, before the forward pass; :meth:`restore`
        afterwards."""
        random = default_rng(seed)
        parameters = [self.network.parameters[name] for name in self._names]
        before = [values.copy() for values in parameters]
        try:
            for values in parameters:
                values[...] = _moved(values, size, random)
            return self.gradients(
                v, cache=self._forward(_moved(self.event.inputs, size, random))[1]
            )
        finally:
            for values, kept in zip(parameters, before, strict=True):
                values[...] = kept

    def restore(self) -> None:
        """Makes the cache anew, where another forward pass used its arrays."""
        self.outputs, self.cache = self._forward(self.event.inputs.copy())

    def _forward(self, inputs: Array) -> tuple[Array, Any]:
        try:
            outputs, cache = self._with_stand_in(
                None,
                lambda: self.layer.forward(
                    inputs, self._parameters, training=True, random=self.event.random()
                ),
            )[0]
        finally:
            self.network.state.vector[...] = self._state
        return outputs.copy(), cache

    def _backward(self, v: Array, inner_gradient: Array | None, cache: Any) -> Gradients:
        input_gradient, arrived = self._with_stand_in(
            inner_gradient,
            lambda: self.layer.backward(cache, v, self._parameters, self._gradients),
        )
        found: Gradients = {
            short: self.network.gradients[name].copy()
            for short, name in zip(self.own_parameters, self._names, strict=True)
        }
        if self.event.inputs.dtype.kind == "f":
            found[INPUTS] = self._checked(input_gradient)
        if arrived is not None:
            found[INNER] = arrived
        return found

    def _checked(self, input_gradient: Any) -> Array:
        expected = self.event.inputs.shape
        if not isinstance(input_gradient, np.ndarray) or input_gradient.shape != expected:
            given = getattr(input_gradient, "shape", type(input_gradient).__name__)
            raise broken(
                self.layer,
                "backward",
                f"must give a gradient by its inputs of shape {expected}, gave {given}",
            )
        return input_gradient.copy()

    def _with_stand_in(
        self, inner_gradient: Array | None, call: Callable[[], Any]
    ) -> tuple[Any, Array | None]:
        layer: Any = self.layer
        stand_in = None
        if self.inner is not None:
            stand_in = _StandIn(self.inner, inner_gradient)
            chain, layer.chain = layer.chain, stand_in
        try:
            result = call()
        except ENDS as error:
            raise raised(error, [node.layer for node in self.network.nodes]) or error from None
        finally:
            if stand_in is not None:
                layer.chain = chain
        return result, stand_in.arrived if stand_in is not None else None

    def broken_promises(self, v: Array, analytic: Gradients) -> list[str]:
        """What the layer does that no layer may, though its numbers may be right; ``analytic`` is
        what its first backward pass gave."""
        found = [f"forward changes its {what}" for what in self._changed_by_forward()]
        scale = np.abs(self.event.outputs).max(initial=0.0)
        difference = np.abs(self.outputs - self.event.outputs).max(initial=0.0)
        if not found and not difference <= 1e-12 * scale:
            found.append("forward gives other outputs for the same inputs and random numbers")
        before, arriving = mapped(self.cache, np.copy), v.copy()
        self._put_junk()
        first = self._backward(arriving, self.inner_gradient, self.cache)
        if not same(before, self.cache):
            found.append("backward changes its cache")
        if not _equal(v, arriving):
            found.append("backward changes the gradient that arrives")
        second = self._backward(v.copy(), self.inner_gradient, self.cache)
        found += _not_repeated(analytic, first, second, self.network.gradients, self._names)
        if found:
            self.restore()
        return found

    def _changed_by_forward(self) -> list[str]:
        parameters = [self.network.parameters[name] for name in self._names]
        if not parameters:
            return []
        before = [values.copy() for values in parameters]
        self.restore()
        changed = []
        for name, values, kept in zip(self.own_parameters, parameters, before, strict=True):
            if not _equal(values, kept):
                changed.append(name)
                values[...] = kept
        return changed


def _moved(values: Array, size: float, random: Generator) -> Array:
    if values.dtype.kind != "f":
        return values.copy()
    moved: Array = values * (1 + size * random.uniform(-1, 1, values.shape))
    return moved


def _not_repeated(
    analytic: Gradients,
    first: Gradients,
    second: Gradients,
    views: Mapping[str, Array],
    names: list[str],
) -> list[str]:
    """``analytic`` and ``first`` were put where junk stood, ``second`` where ``first`` did."""
    differing = [
        name
        for name in first
        if not (_equal(first[name], second[name]) and _equal(first[name], analytic[name]))
    ]
    added = []
    for full in names:
        short = next((n for n in differing if full.endswith("." + n)), None)
        if short is None:
            continue
        junk = np.empty_like(views[full])
        fill_with_junk(junk)
        if np.allclose(second[short] - first[short], first[short] - junk, rtol=1e-6, atol=0):
            added.append(short)
    found = [f"backward adds to gradients[{name!r}] instead of writing it" for name in added]
    others = [name for name in differing if name not in added]
    if others:
        found.append(f"a second backward pass gives other numbers ({', '.join(others)})")
    return found


def _equal(one: Array, other: Array) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


def mapped(cache: Any, change: Callable[[Array], Array]) -> Any:
    """The cache with each of its arrays changed; what is no array or collection stays."""
    if isinstance(cache, np.ndarray):
        return change(cache)
    if isinstance(cache, dict):
        return {key: mapped(value, change) for key, value in cache.items()}
    if isinstance(cache, tuple) and hasattr(cache, "_fields"):
        return type(cache)(*(mapped(value, change) for value in cache))
    if isinstance(cache, (list, tuple)):
        return type(cache)(mapped(value, change) for value in cache)
    return cache


def same(one: Any, other: Any) -> bool:
    """Whether all arrays of two caches have the same bits."""
    if isinstance(one, np.ndarray):
        return bool(one.shape == other.shape) and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return True
