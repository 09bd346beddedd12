"""A network: a chain of layers, its parameters and gradients in two flat vectors, and a loss."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import DTypeLike

from bpcli.network import threads
from bpcli.network.chain import Chain, Node, Observer
from bpcli.network.initializers import initialize
from bpcli.network.layer import Array, Shape
from bpcli.network.losses import Loss, make_loss
from bpcli.network.parameters import Layout, ParameterVector, flatten, nest
from bpcli.spec.layers import LayerOptions
from bpcli.spec.optimization import Loss as LossOptions

# parameters: from so many on the optimizer's passes gain more by threads of their own (up to half
# of their time, a tenth of a step of 784-512-512-10) than products lose that BLAS does not share
LARGE = 400_000


class Network:
    """L(parameters) = loss(f(x), t) + ½ l2 Σ‖W‖², and its exact gradient.

    ``parameters`` and ``gradients`` map names to views of two flat vectors with one layout;
    ``state`` holds what layers keep without learning it (running means). Every call overwrites
    the arrays of the one before.
    """

    def __init__(
        self,
        layers: Sequence[LayerOptions],
        loss: LossOptions,
        input_shape: Shape,
        *,
        dtype: DTypeLike = "float32",
        seed: int = 0,
        l2: float = 0.0,
        values: tuple[Array, Array] | None = None,
    ) -> None:
        """``values``: the vectors of parameters and state to start with, else drawn by ``seed``."""
        self.chain = Chain(layers, input_shape)
        self.loss: Loss = make_loss(loss)
        self.dtype = np.dtype(dtype)
        self.seed, self.l2 = seed, l2
        self._options = (layers, loss, input_shape)

        declared, state = flatten(self.chain.parameters()), flatten(self.chain.state())
        layout = Layout({name: shape for name, (shape, _) in declared.items()}, self._frozen())
        self.parameters = ParameterVector(layout, self.dtype)
        self.gradients = ParameterVector(layout, self.dtype)
        self.state = ParameterVector(
            Layout({name: shape for name, (shape, _) in state.items()}), self.dtype
        )
        self._views = nest(self.parameters, self.state)
        self._gradient_views = nest(self.gradients)
        self._weights = [name for name in declared if name.endswith("weight")]
        shared = self.parameters.vector.size >= LARGE or any(
            node.layer.shares_work for node in self.nodes
        )
        self.threads = threads.taken_over if shared else nullcontext
        self.keep_input_gradient(False)
        if values is not None:
            self.parameters.vector[...], self.state.vector[...] = values
            return
        random = default_rng([seed, _WEIGHTS])
        for vector, inits in ((self.parameters, declared), (self.state, state)):
            for name, (shape, init) in inits.items():
                vector[name][...] = initialize(init, shape, random)

    def _frozen(self) -> set[str]:
        return {
            f"{node.layer.path}.{name}"
            for node in self.nodes
            for name in getattr(node.layer, "freeze", ())
        }

    @property
    def nodes(self) -> list[Node]:
        """Every layer in forward order, those inside others included."""
        return list(self.chain.walk())

    def observe(self, observer: Observer | None) -> None:
        """Shows every layer's event to the observer from now on; None: to nobody."""
        self.chain.observe(observer)

    def keep_input_gradient(self, keep: bool) -> None:
        """Whether ``backward`` goes all the way to the inputs, or stops where no parameter is."""
        needed = keep
        for node in self.chain.nodes:
            node.layer.needs_input_gradient = needed
            needed = needed or bool(node.layer.parameters(node.input_shape))

    def forward(
        self, inputs: Array, *, training: bool = False, random: Generator | None = None
    ) -> Array:
        """The outputs for a batch; keeps what ``backward`` needs."""
        if random is None:
            random = default_rng([self.seed, _DROPOUT])
        with self.threads():
            outputs, self._caches = self.chain.forward(
                inputs, self._views, training=training, random=random
            )
        return outputs

    def backward(self, output_gradient: Array) -> Array | None:
        """Fills ``gradients`` from ∂L/∂outputs of the last ``forward``; returns ∂L/∂inputs."""
        with self.threads():
            input_gradient = self.chain.backward(
                self._caches, output_gradient, self._views, self._gradient_views
            )
        if self.l2:
            for name in self._weights:
                self.gradients[name][...] += self.l2 * self.parameters[name]
        return input_gradient

    def loss_and_gradients(
        self,
        inputs: Array,
        targets: Array,
        *,
        training: bool = True,
        random: Generator | None = None,
    ) -> tuple[float, ParameterVector]:
        """The loss of a batch and its gradient by every parameter."""
        self.outputs = self.forward(inputs, training=training, random=random)
        value, cache = self.loss.forward(self.outputs, targets)
        self.backward(self.loss.backward(cache))
        return value.item() + self.penalty(), self.gradients

    def penalty(self) -> float:
        """½ l2 Σ‖W‖² over the weights; biases, scales and shifts are not pulled to zero."""
        if not self.l2:
            return 0.0
        weights = (self.parameters[name].reshape(-1) for name in self._weights)
        squares: float = np.asarray(sum(weight @ weight for weight in weights)).item()
        return 0.5 * self.l2 * squares

    def predict(self, inputs: Array) -> Array:
        """The outputs in evaluation mode, in an array of their own."""
        codes = self.chain.nodes[0].layer.takes_codes
        return self.forward(np.asarray(inputs, None if codes else self.dtype)).copy()

    def copy(self, dtype: DTypeLike) -> Network:
        """The same network with the same numbers in another precision."""
        values = self.parameters.vector, self.state.vector
        return Network(*self._options, dtype=dtype, seed=self.seed, l2=self.l2, values=values)


# streams of random numbers that follow from one seed, each apart from the others
_WEIGHTS, ORDER, _DROPOUT = 0, 1, 2


def streams(seed: int) -> dict[str, Any]:
    """Generators for the order of the examples and for dropout, apart from that of the weights."""
    return {"order": default_rng([seed, ORDER]), "dropout": default_rng([seed, _DROPOUT])}
