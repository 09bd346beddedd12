"""The protocol of a layer: what the network asks of it, and what it may rely on.

Backpropagation is local. To send the gradient on, a layer needs its input, its output and the
gradient that comes from the next layer; `forward` keeps what `backward` will need in a cache of
the layer's choosing, and the network carries the cache from one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from inspect import get_annotations
from typing import TYPE_CHECKING, Any

import numpy as np

from bpcli.network.buffers import Buffers
from bpcli.spec.layers import LAYERS, LayerOptions

if TYPE_CHECKING:
    from numpy.random import Generator

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
# name -> (shape, init), or name -> the declarations of a layer inside
Declared = dict[str, Any]
# name -> array, or name -> the arrays of a layer inside
Views = Mapping[str, Any]

_CLASSES: dict[str, type[Layer]] = {}  # our own layers by the name that a spec calls them


class Layer(Buffers, LayerOptions):
    """One differentiable step of a network.

    A subclass names itself, annotates its options as dataclass fields (the main one first) and
    overrides the methods below. Shapes are those of one example, without the batch axis.
    """

    stochastic = False  # draws from `random` while training
    shares_work = False  # among threads, between its matrix products; see threads.taken_over
    takes_codes = False  # reads integers that stand for symbols; only a first layer can
    # False for the first layer with parameters: nobody reads the gradient by the network's input
    needs_input_gradient = True
    # of a recurrent layer: ∂L/∂hₜ of every step of the last backward pass, (time, batch, units)
    hidden_gradients: Array | None = None
    path = ""  # its name in the network, "residual_1.dense_2"
    place = ""  # where it stands in the spec, "network.4.residual.layers.1"

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.name in LAYERS:
            _CLASSES.setdefault(cls.name, cls)
        elif get_annotations(cls):
            # options are read-only in the spec's own classes, but a layer may keep things
            dataclass(frozen=True, eq=False)(cls)
            del cls.__setattr__, cls.__delattr__

    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__

    def build(self, input_shape: Shape) -> None:
        """Called once, before the other methods, by layers that hold layers."""

    def parameters(self, input_shape: Shape) -> Declared:
        """What the layer learns: name -> (shape, init), the init as in a spec."""
        return {}

    def state(self, input_shape: Shape) -> Declared:
        """What it keeps without learning it, like running means; read among its parameters."""
        return {}

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape it gives; raises :class:`~bpcli.errors.ShapeError` on one it cannot take."""
        return input_shape

    def forward(
        self, inputs: Array, parameters: Views, *, training: bool, random: Generator
    ) -> tuple[Array, Any]:
        """(outputs, cache) for a batch of inputs."""
        raise NotImplementedError

    def backward(
        self, cache: Any, output_gradient: Array, parameters: Views, gradients: Views
    ) -> Array | None:
        """The gradient by the inputs; writes (not adds) those by the parameters."""
        raise NotImplementedError


def make_layer(options: LayerOptions) -> Layer:
    """A new layer with these options; options that are a user's layer make their own kind."""
    layer = type(options) if isinstance(options, Layer) else _CLASSES[options.name]
    return layer(**{field.name: getattr(options, field.name) for field in fields(options)})
