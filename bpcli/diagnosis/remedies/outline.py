"""A spec's layers as they are written, with their shapes: what remedies look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bpcli.network.chain import Chain
from bpcli.network.layer import Layer, Shape
from bpcli.spec.model import Spec

ACTIVATIONS = frozenset(
    ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus",
     "exponential", "softmax", "identity")
)  # fmt: skip
AFFINE = frozenset(("dense", "conv1d", "conv2d"))
NORMS = frozenset(("batch_norm", "layer_norm", "rms_norm"))
RECURRENT = frozenset(("rnn", "lstm", "gru"))


@dataclass(frozen=True)
class Written:
    """A layer at its place in the spec; inside a `repeat` it stands for all its copies."""

    place: str  # network.1.repeat.layers.0
    layer: Layer
    input_shape: Shape  # of the first copy
    keeps_shape: bool  # in all copies

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def options(self) -> str:
        """The path of its options, without the name of one."""
        return f"{self.place}.{self.name}"

    @property
    def list_(self) -> str:
        """The path of the list it stands in."""
        return self.place.rpartition(".")[0]

    @property
    def index(self) -> int:
        return int(self.place.rpartition(".")[2])

    @property
    def in_residual(self) -> bool:
        return ".residual." in self.place

    def option(self, name: str) -> Any:
        return getattr(self.layer, name, None)


@dataclass(frozen=True)
class Outline:
    """The layers in forward order, those inside others after them; each written layer once."""

    spec: Spec
    layers: tuple[Written, ...]

    @property
    def output(self) -> Written | None:
        """The last layer with weights: the one that gives the outputs."""
        affine = [each for each in self.layers if each.name in AFFINE and not each.in_residual]
        return affine[-1] if affine else None

    @property
    def hidden(self) -> list[Written]:
        """The affine layers before the last."""
        return [each for each in self.layers if each.name in AFFINE and each is not self.output]

    @property
    def activations(self) -> list[Written]:
        """Those between hidden layers; what follows the output layer belongs to the loss."""
        end = self.layers.index(self.output) if self.output else len(self.layers)
        return [each for each in self.layers[:end] if each.name in ACTIVATIONS]

    def after_output(self) -> list[Written]:
        return list(self.layers[self.layers.index(self.output) + 1 :]) if self.output else []

    def lists(self) -> Iterator[tuple[str, list[Written]]]:
        """Each list of layers with what is written in it."""
        for path in dict.fromkeys(each.list_ for each in self.layers):
            inside = [each for each in self.layers if each.list_ == path]
            yield path, sorted(inside, key=lambda each: each.index)

    def is_normed(self, written: Written) -> bool:
        """Whether a norm follows, which takes the size of its outputs away."""
        after = self.layers[self.layers.index(written) + 1 :][:1]
        return any(each.name in NORMS for each in after)

    def activation_after(self, written: Written) -> Layer | None:
        """The first activation that its outputs meet before other weights."""
        following = self.layers[self.layers.index(written) + 1 :]
        for each in following:
            if each.name in ACTIVATIONS:
                return each.layer
            if each.name in AFFINE | RECURRENT | {"attention", "residual"}:
                return None
        return None


def outline(spec: Spec, input_shape: Shape) -> Outline:
    """The outline of a spec whose examples have that shape; raises SpecError where it misfits."""
    found: dict[str, Written] = {}
    for node in Chain(spec.network, input_shape).walk():
        place, keeps = node.layer.place, node.input_shape == node.output_shape
        first = found.get(place)
        found[place] = Written(
            place,
            first.layer if first else node.layer,
            first.input_shape if first else node.input_shape,
            keeps and (first.keeps_shape if first else True),
        )
    return Outline(spec, tuple(found.values()))
