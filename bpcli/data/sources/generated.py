"""Generated data sets: small problems whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator as Random
from numpy.random import default_rng

from bpcli.data.sources.source import (
    Array,
    Examples,
    Header,
    OptionError,
    RawTargets,
    Source,
    TargetHeader,
)
from bpcli.memory import format_bytes, physical_memory
from bpcli.spec.data import Adding, Blobs, Circles, Gaussian, Generator, Moons, Spirals, Xor

Points = tuple[Array, Array]  # inputs (samples, ...), labels or sums (samples,)
MOST_CLASSES = 1_000_000


class Generated(Source):
    """Examples from a generator; the training data come from the seed itself, other parts from
    streams of their own, so that a validation part is new points of the same problem."""

    kind = "a generator"

    def __init__(self, options: Generator, seed: int, stream: int = 0) -> None:
        self.options, self.seed, self.stream = options, seed, stream

    def header(self) -> Header:
        options: Any = self.options
        samples, features = getattr(options, "samples", 4), getattr(options, "features", 2)
        if isinstance(options, Adding):
            self._check_memory(3 * samples * (2 * options.length + 1))
            return Header((options.length, 2), TargetHeader((), False), samples)
        classes = getattr(options, "classes", 2)
        if classes > samples and not isinstance(options, Gaussian):
            raise OptionError(
                "generate", f"{options.name}: {samples} samples cannot have {classes} classes"
            )
        self._check_memory(samples * (features + 1))
        if classes > MOST_CLASSES:
            raise OptionError(
                "generate", f"{options.name} has at most {MOST_CLASSES:,} classes, not {classes:,}"
            )
        names = tuple(map(str, range(classes)))
        return Header((features,), TargetHeader((), True, names), samples)

    def _check_memory(self, values: int) -> None:
        needed, available = values * np.dtype(float).itemsize, physical_memory()
        if needed > available:
            raise OptionError(
                "generate",
                f"{self.options.name}: needs {format_bytes(needed)} of memory, this machine has "
                f"{format_bytes(available)}; take fewer samples",
            )

    def read(self, *, targets: bool = True, text: Mapping[str, bool] | None = None) -> Examples:
        self.header()
        random = default_rng([self.seed, self.stream] if self.stream else self.seed)
        if isinstance(self.options, Adding):
            inputs, sums = _adding(self.options, random)
            return Examples(inputs, RawTargets(("sum",), sums), self)
        inputs, labels = _GENERATORS[type(self.options)](self.options, random)
        if not isinstance(self.options, Xor):  # not class after class
            order = random.permutation(len(labels))
            inputs, labels = inputs[order], labels[order]
        classes = None
        if isinstance(self.options, Gaussian):  # of a few examples, not each class has one
            classes = tuple(map(str, range(self.options.classes)))
        return Examples(inputs, RawTargets(("class",), labels, labels=True, classes=classes), self)

    @property
    def name(self) -> str:
        return f"generate: {self.options.name}"

    def identity(self) -> str:
        return f"{self.options!r} {self.seed} {self.stream}"


def _xor(_: Xor, __: Random) -> Points:
    """The rows 00 01 10 11; the class is 1 where the inputs differ."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    return inputs, np.array([0, 1, 1, 0])


def _circles(options: Circles, random: Random) -> Points:
    """Class k on a circle of radius (k + 1) / classes, at even angles."""
    labels = _labels(options.samples, options.classes)
    angle = 2 * math.pi * _along(labels, closed=True)
    inputs = ((labels + 1) / options.classes)[:, None] * _on_circle(angle)
    return inputs + options.noise * random.standard_normal(inputs.shape), labels


def _moons(options: Moons, random: Random) -> Points:
    """Half circles of radius 1, each one unit right of the last, alternately up and down."""
    labels = _labels(options.samples, options.classes)
    down = labels % 2
    inputs = _on_circle(math.pi * _along(labels))
    inputs[:, 1] = np.where(down, 0.5 - inputs[:, 1], inputs[:, 1])
    inputs[:, 0] += labels
    return inputs + options.noise * random.standard_normal(inputs.shape), labels


def _blobs(options: Blobs, random: Random) -> Points:
    """Normal clouds of deviation ``noise`` around centres on a circle, neighbours two apart."""
    labels = _labels(options.samples, options.classes)
    radius = 1 / math.sin(math.pi / options.classes)
    inputs = radius * _on_circle(2 * math.pi * labels / options.classes)
    return inputs + options.noise * random.standard_normal(inputs.shape), labels


def _spirals(options: Spirals, random: Random) -> Points:
    """Arms with radius t and angle 4 (t + class) + noise, t from 0 to 1, as in CS231n.

    With other than three classes the arms start at even distances and turn as far.
    """
    labels = _labels(options.samples, options.classes)
    t = _along(labels)
    start = labels * (4.0 if options.classes == 3 else 2 * math.pi / options.classes)
    angle = start + 4 * t + options.noise * random.standard_normal(len(t))
    return t[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1), labels


def _gaussian(options: Gaussian, random: Random) -> Points:
    """Standard normal features; labels that have nothing to do with them, evenly many."""
    inputs = random.standard_normal((options.samples, options.features))
    return inputs, _labels(options.samples, options.classes)


def _adding(options: Adding, random: Random) -> Points:
    """At each step a number between 0 and 1 and a mark, 1 once in each half and 0 elsewhere.

    The target is the sum of the two marked numbers; who always says 1 has an error of 1/6. The
    problem is that of Hochreiter & Schmidhuber 1997, in the form of Le, Jaitly & Hinton 2015.
    """
    samples, length = options.samples, options.length
    inputs = np.zeros((samples, length, 2))
    inputs[:, :, 0] = random.random((samples, length))
    rows, half = np.arange(samples), length // 2
    marks = (random.integers(0, half, samples), random.integers(half, length, samples))
    for mark in marks:
        inputs[rows, mark, 1] = 1
    return inputs, inputs[rows, marks[0], 0] + inputs[rows, marks[1], 0]


def _labels(samples: int, classes: int) -> Array:
    """0 0 ... 1 1 ..., as evenly as the samples allow."""
    return np.arange(samples) * classes // samples


def _along(labels: Array, *, closed: bool = False) -> Array:
    """Even steps from 0 to 1 within each class; ``closed``: without 1, which would be 0 again."""
    counts = np.bincount(labels)
    return np.concatenate([np.linspace(0, 1, count, endpoint=not closed) for count in counts])


def _on_circle(angle: Array) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


_GENERATORS: dict[type[Generator], Callable[[Any, Random], Points]] = {
    Xor: _xor,
    Circles: _circles,
    Moons: _moons,
    Blobs: _blobs,
    Spirals: _spirals,
    Gaussian: _gaussian,
}
