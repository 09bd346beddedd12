"""Mistakes in normalization, residual blocks, embeddings, pooling, convolution, recurrence."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpcli.network.layers import (
    Attention,
    AvgPool1d,
    BatchNorm,
    Conv1d,
    Embedding,
    GlobalAvgPool1d,
    LayerNorm,
    Lstm,
    MaxPool1d,
    Residual,
    RmsNorm,
    Rnn,
)
from bpcli.spec import layers as spec

from .mutation import SYMBOLS, Mutation


class Normalizing:
    """A normalization whose backward pass is written out, term by term."""

    axes: tuple[int, ...] = ()
    mean_term = variance_term = scaled = True

    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        x, axes = cache, self.axes
        centred = x - x.mean(axis=axes, keepdims=True) if self.mean_term is not None else x
        inverse = 1 / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + self.epsilon)
        n = centred * inverse
        others = tuple(range(x.ndim - 1))
        gradients["scale"][...] = (output_gradient * n).sum(axis=others)
        if "shift" in gradients:
            gradients["shift"][...] = output_gradient.sum(axis=others)
        g = output_gradient * parameters["scale"] if self.scaled else output_gradient
        given = g.copy()
        if self.mean_term:
            given = given - g.mean(axis=axes, keepdims=True)
        if self.variance_term:
            given = given - n * (g * n).mean(axis=axes, keepdims=True)
        return given * inverse


class BatchNormWithoutScale(Normalizing, BatchNorm):
    axes, scaled = (0,), False


class BatchNormWithoutMean(Normalizing, BatchNorm):
    axes, mean_term = (0,), False


class BatchNormWithoutVariance(Normalizing, BatchNorm):
    axes, variance_term = (0,), False


class BatchNormConstants(Normalizing, BatchNorm):
    axes, mean_term, variance_term = (0,), False, False


class LayerNormWithoutMean(Normalizing, LayerNorm):
    axes, mean_term = (-1,), False


class LayerNormWithoutVariance(Normalizing, LayerNorm):
    axes, variance_term = (-1,), False


class RmsNormWithoutMeanSquare(Normalizing, RmsNorm):
    axes, mean_term, variance_term = (-1,), None, False


class ShiftOverAllAxes(BatchNorm):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["shift"][...] = gradients["shift"].sum()
        return given


class SkipMissing(Residual):
    def backward(self, cache, output_gradient, parameters, gradients):
        return self.chain.backward(cache[0], output_gradient, parameters, gradients)


class InnerMissing(Residual):
    """= for +=: the second path overwrites the first."""

    def backward(self, cache, output_gradient, parameters, gradients):
        self.chain.backward(cache[0], output_gradient, parameters, gradients)
        return output_gradient.copy()


class SkipTwice(Residual):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        return given + output_gradient


class RepeatedIndices(Embedding):
    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["weight"].fill(0)
        gradients["weight"][cache] = output_gradient


class FancyAddition(Embedding):
    """``+=`` with repeated indices adds once."""

    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["weight"].fill(0)
        gradients["weight"][cache] += output_gradient


class CodesOffByOne(Embedding):
    def backward(self, cache, output_gradient, parameters, gradients):
        gradients["weight"].fill(0)
        np.add.at(gradients["weight"], (cache + 1) % SYMBOLS, output_gradient)


class OverlappingMeans(AvgPool1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        right = super().backward(cache, output_gradient, parameters, gradients)
        given = np.zeros_like(right)
        for start, delta in enumerate(np.moveaxis(output_gradient, 1, 0)):
            given[:, start : start + self.size] = delta[:, np.newaxis] / self.size
        return given


class OverlappingMaxima(MaxPool1d):
    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache, output_gradient, parameters, gradients):
        given = np.zeros_like(cache)
        rows, columns = np.indices((len(cache), cache.shape[2]))
        for start in range(output_gradient.shape[1]):
            place = start + cache[:, start : start + self.size].argmax(axis=1)
            given[rows, place, columns] = output_gradient[:, start]
        return given


class PoolNotDivided(GlobalAvgPool1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        return given * cache[1]


class KernelFlipped(Conv1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["weight"][...] = gradients["weight"][::-1].copy()
        return given


class TapsShifted(Conv1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["weight"][1:] = gradients["weight"][:-1].copy()
        gradients["weight"][0] = 0
        return given


class ChannelsTransposed(Conv1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["weight"][...] = gradients["weight"].swapaxes(1, 2).copy()
        return given


class FirstPlaceOnly(Conv1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["bias"][...] = output_gradient[:, 0].sum(axis=0)
        return given


class PlacesAveraged(Conv1d):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["bias"][...] /= output_gradient.shape[1]
        return given


class NotThroughTime(Rnn):
    """Each step by itself, as if no state had come from the step before."""

    def forward(self, inputs, parameters, *, training, random):
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, (inputs, outputs.copy())

    def backward(self, cache, output_gradient, parameters, gradients):
        inputs, states = cache
        delta = output_gradient * (1 - states**2)
        before = np.zeros_like(states)
        before[:, 1:] = states[:, :-1]
        gradients["weight"][...] = np.einsum("btf,btu->fu", inputs, delta)
        gradients["recurrent_weight"][...] = np.einsum("btf,btu->fu", before, delta)
        gradients["bias"][...] = delta.sum(axis=(0, 1))
        return delta @ parameters["weight"].T


class GatesSwapped(Lstm):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        i, f, g, o = np.split(gradients["weight"].copy(), 4, axis=1)
        gradients["weight"][...] = np.concatenate([i, g, f, o], axis=1)
        return given


class QueryNotScaled(Attention):
    def backward(self, cache, output_gradient, parameters, gradients):
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["query_weight"][...] *= np.sqrt(output_gradient.shape[-1] / self.heads)
        return given


def between(kind: Any, **options: Any) -> Any:
    return lambda: (spec.Dense(6), kind(**options), spec.Tanh(), spec.Dense(5))


def block(kind: Any) -> Any:
    return lambda: (spec.Dense(6), kind(layers=(spec.Dense(6), spec.Tanh())), spec.Tanh())


def of_sequences(kind: Any, **options: Any) -> Any:
    return lambda: (spec.Dense(3), kind(**options), spec.Tanh())


def of_codes(kind: Any) -> Any:
    return lambda: (kind(dimension=4, vocabulary=SYMBOLS), spec.Tanh())


SEQUENCE = (9, 3)

MUTATIONS = (
    Mutation(
        "batch norm without its scale",
        between(BatchNormWithoutScale),
        "batch_norm_1",
        "the scale is left out",
    ),
    Mutation(
        "batch norm without the mean's term",
        between(BatchNormWithoutMean),
        "batch_norm_1",
        "term of the mean over the batch",
    ),
    Mutation(
        "batch norm without the variance's term",
        between(BatchNormWithoutVariance),
        "batch_norm_1",
        "term of the variance over the batch",
    ),
    Mutation(
        "batch norm with constant statistics",
        between(BatchNormConstants),
        "batch_norm_1",
        "terms of mean and variance",
    ),
    Mutation(
        "layer norm without the mean's term",
        between(LayerNormWithoutMean),
        "layer_norm_1",
        "term of the mean over the features",
    ),
    Mutation(
        "layer norm without the variance's term",
        between(LayerNormWithoutVariance),
        "layer_norm_1",
        "term of the variance over the features",
    ),
    Mutation(
        "rms norm without its second term",
        between(RmsNormWithoutMeanSquare),
        "rms_norm_1",
        "term of the mean square",
    ),
    Mutation(
        "shift summed over all axes",
        between(ShiftOverAllAxes),
        "batch_norm_1",
        "summed over all axes",
    ),
    Mutation("skip path missing", block(SkipMissing), "residual_1", "skip path"),
    Mutation(
        "= for += on a shared node",
        block(InnerMissing),
        "residual_1",
        "path through the layers inside is missing",
    ),
    Mutation("skip path twice", block(SkipTwice), "residual_1", "counted twice"),
    Mutation(
        "repeated indices overwrite",
        of_codes(RepeatedIndices),
        "embedding_1",
        "repeated indices",
        (),
    ),
    Mutation(
        "+= with repeated indices", of_codes(FancyAddition), "embedding_1", "repeated indices", ()
    ),
    Mutation(
        "codes off by one",
        of_codes(CodesOffByOne),
        "embedding_1",
        "shifted by +1 place along axis 0",
        (),
    ),
    Mutation(
        "overlapping means overwrite",
        of_sequences(OverlappingMeans, size=3, stride=1),
        "avg_pool1d_1",
        "overwrite each other",
        SEQUENCE,
    ),
    Mutation(
        "overlapping maxima overwrite",
        of_sequences(OverlappingMaxima, size=3, stride=1),
        "max_pool1d_1",
        "overwrite each other",
        SEQUENCE,
    ),
    Mutation(
        "global mean not divided",
        of_sequences(PoolNotDivided),
        "global_avg_pool1d_1",
        "constant factor of 9",
        SEQUENCE,
    ),
    Mutation(
        "kernel flipped", of_sequences(KernelFlipped, filters=4), "conv1d_1", "flipped", SEQUENCE
    ),
    Mutation(
        "taps shifted",
        of_sequences(TapsShifted, filters=4),
        "conv1d_1",
        "shifted by +1 place along axis 0",
        SEQUENCE,
    ),
    Mutation(
        "channels transposed",
        of_sequences(ChannelsTransposed, filters=3),
        "conv1d_1",
        "axes in the order 0, 2, 1",
        SEQUENCE,
    ),
    Mutation(
        "bias of the first place alone",
        of_sequences(FirstPlaceOnly, filters=4),
        "conv1d_1",
        "only position 0",
        SEQUENCE,
    ),
    Mutation(
        "bias averaged over places",
        of_sequences(PlacesAveraged, filters=4),
        "conv1d_1",
        "one over the number of positions",
        SEQUENCE,
    ),
    Mutation(
        "no gradient through time",
        of_sequences(NotThroughTime, units=4),
        "rnn_1",
        "path through time",
        SEQUENCE,
    ),
    Mutation(
        "gates swapped",
        of_sequences(GatesSwapped, units=3),
        "lstm_1",
        "permuted along axis 1",
        SEQUENCE,
    ),
    Mutation(
        "query not scaled",
        lambda: (spec.Dense(6), QueryNotScaled(heads=2), spec.Tanh()),
        "attention_1",
        "constant factor",
        SEQUENCE,
    ),
)
