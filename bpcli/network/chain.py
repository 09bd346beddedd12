"""Layers one after another: forward through them, and the chain rule back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

from bpcli.errors import Problem, ShapeError, SpecError
from bpcli.network.initializers import check_init
from bpcli.network.layer import Array, Declared, Layer, Shape, Views, make_layer
from bpcli.spec.layers import LayerOptions, Repeat

if TYPE_CHECKING:
    from numpy.random import Generator


@dataclass(frozen=True)
class Node:
    """A layer at its place: its name among its neighbours, and the shapes of one example."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape


class Observer(Protocol):
    """Is shown each layer's event as it happens; the arrays are only good until it returns."""

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None: ...

    def backward(
        self, node: Node, output_gradient: Array, input_gradient: Array | None
    ) -> None: ...


class Chain:
    """y = fₙ(… f₂(f₁(x))): a network's trunk, or the inside of a residual block."""

    observer: Observer | None = None

    def __init__(
        self,
        layers: Sequence[LayerOptions],
        input_shape: Shape,
        *,
        path: str = "",
        place: str = "network",
    ) -> None:
        self.nodes: list[Node] = []
        self.input_shape = self.output_shape = input_shape
        counts: Counter[str] = Counter()
        taken: set[str] = set()
        for options, layer_place in _written_out(layers, place):
            counts[options.name] += 1
            name = options.label or f"{options.name}_{counts[options.name]}"
            layer = make_layer(options)
            layer.path = f"{path}.{name}" if path else name
            layer.place = layer_place
            if name in taken:
                raise LayerError(layer, f"two layers are called {name!r}; names must differ")
            taken.add(name)
            self._append(name, layer, path)

    def _append(self, name: str, layer: Layer, path: str) -> None:
        if layer.takes_codes and (self.nodes or path):
            raise LayerError(layer, f"{layer.name} reads codes, so it must be the first layer")
        try:
            layer.build(self.output_shape)
            output_shape = layer.output_shape(self.output_shape)
            _check_declared(layer, self.output_shape)
        except ShapeError as error:
            raise LayerError(layer, str(error)) from None
        if not _is_shape(output_shape):
            raise TypeError(f"output_shape must give a tuple of sizes, gave {output_shape!r}")
        self.nodes.append(Node(name, layer, self.output_shape, output_shape))
        self.output_shape = output_shape

    def parameters(self) -> Declared:
        return self._declared("parameters")

    def state(self) -> Declared:
        return self._declared("state")

    def _declared(self, what: str) -> Declared:
        found = {node.name: getattr(node.layer, what)(node.input_shape) for node in self.nodes}
        return {name: declared for name, declared in found.items() if declared}

    def walk(self) -> Iterator[Node]:
        """Every node in forward order; a layer that holds layers comes before them."""
        for node in self.nodes:
            yield node
            inner = getattr(node.layer, "chain", None)
            if inner is not None:
                yield from inner.walk()

    def observe(self, observer: Observer | None) -> None:
        """Shows every event, here and inside, to the observer from now on; None: to nobody."""
        self.observer = observer
        for node in self.nodes:
            inner = getattr(node.layer, "chain", None)
            if inner is not None:
                inner.observe(observer)

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Generator
    ) -> tuple[Array, list[Any]]:
        observer, caches = self.observer, []
        for node in self.nodes:
            outputs, cache = node.layer.forward(
                inputs, parameters.get(node.name, _NOTHING), training=training, random=random
            )
            caches.append(cache)
            if observer is not None:
                observer.forward(node, inputs, outputs)
            inputs = outputs
        return inputs, caches

    def backward(
        self, caches: list[Any], output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        """∂L/∂inputs from ∂L/∂outputs; None where no layer before needs it."""
        observer, delta = self.observer, output_gradient
        for node, cache in zip(reversed(self.nodes), reversed(caches), strict=True):
            input_gradient = node.layer.backward(
                cache,
                delta,
                parameters.get(node.name, _NOTHING),
                gradients.get(node.name, _NOTHING),
            )
            if observer is not None:
                observer.backward(node, delta, input_gradient)
            if input_gradient is None:
                return None
            delta = input_gradient
        return delta


_NOTHING: dict[str, Any] = {}


def _check_declared(layer: Layer, input_shape: Shape) -> None:
    """Every parameter can start as it is told, and what is frozen is there."""
    parameters = layer.parameters(input_shape)
    state = layer.state(input_shape)
    for what, given in (("parameters", parameters), ("state", state)):
        if not isinstance(given, dict):
            raise ShapeError(
                f"{what} of {layer.path} must give a dict, name -> (shape, init), gave {given!r}"
            )
    for name, declared in (parameters | state).items():
        if isinstance(declared, Mapping):
            continue  # the declarations of a layer inside, which checks them
        try:
            shape, init = declared
        except (TypeError, ValueError):
            raise ShapeError(
                f"{layer.path}.{name} must be declared as (shape, init), received {declared!r}"
            ) from None
        if not _is_shape(shape):
            raise ShapeError(
                f"the shape of {layer.path}.{name} must be a tuple of sizes, received {shape!r}"
            )
        try:
            check_init(init, shape)
        except ShapeError as error:
            raise ShapeError(f"{layer.path}.{name} cannot start so: {error}") from None
    for name in getattr(layer, "freeze", ()):
        if name not in parameters:
            expected = ", ".join(parameters) or "nothing"
            raise ShapeError(f"freeze names a parameter, here {expected}; received {name!r}")


def _is_shape(given: Any) -> bool:
    return isinstance(given, tuple) and all(isinstance(n, Integral) and int(n) >= 0 for n in given)


class LayerError(SpecError):
    """A layer cannot stand where it stands; :attr:`place` is its path in the spec."""

    def __init__(self, layer: Layer, message: str) -> None:
        self.place = layer.place
        super().__init__([Problem(f"{message}, at {layer.place} ({layer.path})")])


def _written_out(layers: Sequence[LayerOptions], place: str) -> Iterator[tuple[LayerOptions, str]]:
    """The layers with every `repeat` replaced by its copies, each with its place in the spec."""
    for index, options in enumerate(layers):
        here = f"{place}.{index}"
        if isinstance(options, Repeat):
            for _ in range(options.times):
                yield from _written_out(options.layers, f"{here}.repeat.layers")
        else:
            yield options, here
