"""Mistakes in the backward pass of a dense layer, as people make them by hand."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from bpcli.network.layer import Array
from bpcli.network.layers import Dense, Tanh
from bpcli.spec import layers as spec

from .mutation import Mutation


class Altered(Dense):
    """Right at first; :meth:`alter` makes it wrong."""

    def backward(self, cache: Any, output_gradient: Array, parameters: Any, gradients: Any) -> Any:
        given = super().backward(cache, output_gradient, parameters, gradients)
        other = self.alter(cache, output_gradient, parameters, gradients)
        return given if other is None else other

    def alter(self, x: Array, delta: Array, parameters: Any, gradients: Any) -> Array | None:
        raise NotImplementedError


class MeanMissing(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] *= len(x)


class MeanTwice(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] /= len(x)


class BiasMean(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["bias"][...] = delta.mean(axis=0)


class BiasOverAllAxes(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["bias"][...] = delta.sum()


class WeightNegated(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] *= -1


class BiasNegated(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["bias"][...] *= -1


class InputsNegated(Altered):
    def alter(self, x, delta, parameters, gradients):
        return -(delta @ parameters["weight"].T)


class Doubled(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] *= 2


class Halved(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] *= 0.5


class SlightlyOff(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] *= 1.0001


class WeightNotTransposed(Altered):
    def alter(self, x, delta, parameters, gradients):
        return delta @ parameters["weight"]


class GradientTransposed(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = delta.T @ x


class GradientReshaped(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = (delta.T @ x).reshape(gradients["weight"].shape)


class WeightForgotten(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"].fill(0)


class NeverWritten(Dense):
    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["bias"][...] = output_gradient.sum(axis=0)
        return output_gradient @ parameters["weight"].T


class Accumulated(Dense):
    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["weight"][...] += cache.T @ output_gradient
        gradients["bias"][...] = output_gradient.sum(axis=0)
        return output_gradient @ parameters["weight"].T


class UpdatedWeights(Altered):
    def alter(self, x, delta, parameters, gradients):
        return delta @ (parameters["weight"] - 0.5 * gradients["weight"]).T


class LastExampleForgotten(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = x[:-1].T @ delta[:-1]


class OverwrittenInLoop(Altered):
    def alter(self, x, delta, parameters, gradients):
        for example, change in zip(x, delta, strict=True):
            gradients["weight"][...] = np.outer(example, change)


class OneElement(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][1, 2] *= 1.5


class OneUnitForgotten(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][:, 1] = 0


class OneInputForgotten(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][-1] = 0


class OwnDecay(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] += 0.1 * parameters["weight"]


class ColumnsShifted(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = np.roll(gradients["weight"], 1, axis=1)


class ColumnsPermuted(Altered):
    def alter(self, x, delta, parameters, gradients):
        order = [3, 0, 4, 1, 5, 2]
        gradients["weight"][...] = gradients["weight"][:, order]


class RowsReversed(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = gradients["weight"][::-1]


class StaleInputs(Dense):
    """Keeps the first batch for ever."""

    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        if not hasattr(self, "_kept") or self._kept.shape != inputs.shape:
            self._kept = inputs.copy()
        return outputs, self._kept


class OutputsInCache(Dense):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, outputs


class ExamplesReversed(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = x.T @ delta[::-1]


class ArrivingIgnored(Altered):
    def alter(self, x, delta, parameters, gradients):
        gradients["weight"][...] = x.T @ np.ones_like(delta)


_seen = deque(maxlen=2000)


class RememberingTanh(Tanh):
    """Right; leaves its inputs where the next layer finds them."""

    name = "tanh"

    def forward(self, inputs, parameters, *, training, random):
        if inputs.dtype.kind == "f":
            _seen.appendleft(inputs.copy())
        return super().forward(inputs, parameters, training=training, random=random)


class PreActivation(Altered):
    """dW from the inputs of the activation before, not from its outputs."""

    def alter(self, x, delta, parameters, gradients):
        alike = (z for z in _seen if z.shape == x.shape)
        before = min(alike, key=lambda z: np.abs(np.tanh(z) - x).max())
        gradients["weight"][...] = before.T @ delta


class ForgetsItsInputGradient(Altered):
    def alter(self, x, delta, parameters, gradients):
        return delta.copy()


def first(kind: type[Dense]) -> Any:
    return lambda: (kind(6), spec.Tanh(), spec.Dense(6), spec.Sigmoid())


def second(kind: type[Dense]) -> Any:
    return lambda: (spec.Dense(6), spec.Tanh(), kind(6), spec.Sigmoid())


MUTATIONS = (
    Mutation(
        "mean over the batch missing",
        first(MeanMissing),
        "dense_1",
        "mean over the batch (8) is missing",
    ),
    Mutation("mean over the batch twice", second(MeanTwice), "dense_2", "once too often"),
    Mutation(
        "bias: mean instead of sum", second(BiasMean), "dense_2", "a mean where the sum belongs"
    ),
    Mutation(
        "bias summed over all axes", second(BiasOverAllAxes), "dense_2", "summed over all axes"
    ),
    Mutation("weight negated", first(WeightNegated), "dense_1", "sign flipped"),
    Mutation("bias negated", second(BiasNegated), "dense_2", "sign flipped"),
    Mutation("inputs negated", second(InputsNegated), "dense_2", "sign flipped"),
    Mutation("twice too large", second(Doubled), "dense_2", "factor of 2 too much"),
    Mutation("half too small", first(Halved), "dense_1", "factor of 2 is missing"),
    Mutation("off by 1e-4", first(SlightlyOff), "dense_1", "constant factor of 1.0001"),
    Mutation(
        "W instead of its transpose",
        second(WeightNotTransposed),
        "dense_2",
        "weight is used transposed",
    ),
    Mutation("gradient transposed", second(GradientTransposed), "dense_2", "transposed"),
    Mutation(
        "gradient reshaped, not transposed",
        lambda: (spec.Dense(6), spec.Tanh(), GradientReshaped(5)),
        "dense_2",
        "transposed, then put into the shape",
    ),
    Mutation(
        "weight forgotten", first(WeightForgotten), "dense_1", "zero: the gradient is missing"
    ),
    Mutation("weight never written", second(NeverWritten), "dense_2", "never written"),
    Mutation("+= instead of =", second(Accumulated), "dense_2", "it must be written (=)"),
    Mutation(
        "already updated weights",
        second(UpdatedWeights),
        "dense_2",
        "after it was updated (a step of 0.5)",
    ),
    Mutation(
        "last example forgotten", second(LastExampleForgotten), "dense_2", "left out of the sum"
    ),
    Mutation("overwritten in a loop", second(OverwrittenInLoop), "dense_2", "overwrite each other"),
    Mutation(
        "one element x 1.5",
        second(OneElement),
        "dense_2",
        "only 1 element is wrong, [1, 2], by a factor of 1.5",
    ),
    Mutation("one unit forgotten", second(OneUnitForgotten), "dense_2", "for index 1 of axis 1"),
    Mutation("one input forgotten", second(OneInputForgotten), "dense_2", "for index 5 of axis 0"),
    Mutation("weight decay of its own", second(OwnDecay), "dense_2", "like weight decay"),
    Mutation(
        "columns shifted", second(ColumnsShifted), "dense_2", "shifted by +1 place along axis 1"
    ),
    Mutation("columns permuted", second(ColumnsPermuted), "dense_2", "permuted along axis 1"),
    Mutation("rows reversed", second(RowsReversed), "dense_2", "reversed along axis 0"),
    Mutation("stale inputs", second(StaleInputs), "dense_2", "gradient of another batch"),
    Mutation(
        "outputs in the cache",
        second(OutputsInCache),
        "dense_2",
        "at the outputs instead of the inputs",
    ),
    Mutation(
        "examples in another order",
        second(ExamplesReversed),
        "dense_2",
        "another order of examples",
    ),
    Mutation(
        "arriving gradient ignored",
        second(ArrivingIgnored),
        "dense_2",
        "gradient that arrives is not used",
    ),
    Mutation(
        "pre-activation in dW",
        lambda: (spec.Dense(6), RememberingTanh(), PreActivation(6), spec.Sigmoid()),
        "dense_2",
        "pre-activation",
    ),
    Mutation("input gradient passed on", second(ForgetsItsInputGradient), "dense_2", "unchanged"),
)
