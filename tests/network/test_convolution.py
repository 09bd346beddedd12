"""Convolution and pooling against PyTorch's values and against loops that spell them out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.network import Network
from bpcli.network.layers import patches
from bpcli.network.layers.windows import Axis, slide
from bpcli.spec import layers as spec
from bpcli.spec.optimization import MeanSquaredError

from .numerical import Array
from .test_references import FOLDER, assert_is_pytorchs, by_name

RECORDED = json.loads((FOLDER / "convolution.json").read_text(encoding="utf-8"))["layers"]
GEOMETRIES = st.tuples(
    st.integers(1, 9), st.integers(1, 6), st.integers(1, 5), st.sampled_from(["same", "valid"])
).filter(lambda drawn: drawn[3] == "same" or drawn[1] <= drawn[0])
INSIDE = GEOMETRIES.filter(lambda drawn: drawn[1] <= drawn[0])
SEEDS = st.integers(0, 10**6)


@by_name(RECORDED)
def test_a_layer_is_pytorchs(case: dict[str, Any]) -> None:
    assert_is_pytorchs(case)


def test_every_kind_is_recorded() -> None:
    kinds = {name for case in RECORDED for name in case["layer"]}
    assert kinds == {
        f"{kind}{axes}d"
        for kind in ("conv", "max_pool", "avg_pool", "global_avg_pool")
        for axes in (1, 2)
    } | {"batch_norm"}


# -- where windows lie


@given(GEOMETRIES)
def test_windows_lie_as_keras_puts_them(geometry: tuple[int, int, int, str]) -> None:
    length, size, stride, padding = geometry
    axis = slide(length, size, stride, padding)
    if padding == "same":
        assert axis.count == -(-length // stride)
        missing = max(0, axis.span - length)
        assert axis.low == missing // 2
    else:
        assert axis.low == 0
        assert axis.span <= length < axis.span + stride
    for offset in range(size):
        outputs, inputs = (range(100)[part] for part in axis.taps[offset])
        expected = [(o, i) for o, i in positions(axis, offset) if 0 <= i < length]
        assert list(zip(outputs, inputs, strict=True)) == expected


def positions(axis: Axis, offset: int) -> Iterator[tuple[int, int]]:
    for o in range(axis.count):
        yield o, o * axis.stride - axis.low + offset


# -- naive loops


def build(layer: spec.LayerOptions, shape: tuple[int, ...], random: Any) -> Network:
    network = Network([layer], MeanSquaredError(), shape, dtype="float64")
    network.keep_input_gradient(True)
    network.parameters.vector[...] = random.normal(size=network.parameters.vector.shape)
    return network


def naive_convolution(
    x: Array, weight: Array, bias: Array, axes: tuple[Axis, Axis], delta: Array
) -> tuple[Array, Array, Array]:
    """(z, ∂L/∂W, ∂L/∂x) by the definition, one product at a time."""
    z = np.broadcast_to(bias, delta.shape).copy()
    weight_gradient, x_gradient = np.zeros_like(weight), np.zeros_like(x)
    rows, columns = axes
    for r, c in product(range(rows.size), range(columns.size)):
        for (p, i), (q, j) in product(positions(rows, r), positions(columns, c)):
            if 0 <= i < rows.length and 0 <= j < columns.length:
                z[:, p, q] += x[:, i, j] @ weight[r, c]
                weight_gradient[r, c] += x[:, i, j].T @ delta[:, p, q]
                x_gradient[:, i, j] += delta[:, p, q] @ weight[r, c].T
    return z, weight_gradient, x_gradient


@given(GEOMETRIES, GEOMETRIES, st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), SEEDS)
def test_convolution_is_its_definition(
    rows: Any, columns: Any, channels: int, filters: int, count: int, seed: int
) -> None:
    """With blocks of a few bytes, so that examples and rows are taken in pieces."""
    random = np.random.default_rng(seed)
    padding = "same" if "same" in (rows[3], columns[3]) else "valid"
    kernel, stride = (rows[1], columns[1]), (rows[2], columns[2])
    layer = spec.Conv2d(filters, kernel, stride, padding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patches, "_BLOCK_BYTES", int(random.choice([1, 300, 2000, 1 << 19])))
        network = build(layer, (rows[0], columns[0], channels), random)
        x = random.normal(size=(count, rows[0], columns[0], channels))
        z = network.forward(x).copy()
        delta = random.normal(size=z.shape)
        x_gradient = network.backward(delta)
    axes = slide(*rows[:3], padding), slide(*columns[:3], padding)
    weight, bias = network.parameters["conv2d_1.weight"], network.parameters["conv2d_1.bias"]
    expected = naive_convolution(x, weight, bias, axes, delta)
    found = z, network.gradients["conv2d_1.weight"], x_gradient
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(network.gradients["conv2d_1.bias"], delta.sum(axis=(0, 1, 2)))


@pytest.mark.parametrize("kind", ["max", "avg"])
@given(rows=INSIDE, columns=INSIDE, seed=SEEDS)
def test_pooling_is_its_definition(kind: str, rows: Any, columns: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    padding = "same" if "same" in (rows[3], columns[3]) else "valid"
    layer = {"max": spec.MaxPool2d, "avg": spec.AvgPool2d}[kind](
        (rows[1], columns[1]), (rows[2], columns[2]), padding
    )
    axes = slide(*rows[:3], padding), slide(*columns[:3], padding)
    network = build(layer, (rows[0], columns[0], 2), random)
    x = random.normal(size=(2, rows[0], columns[0], 2))
    y = network.forward(x).copy()
    delta = random.normal(size=y.shape)
    gradient = network.backward(delta)
    expected, expected_gradient = np.empty_like(y), np.zeros_like(x)
    for n, p, q, c in np.ndindex(y.shape):
        window = [(n, i, j, c) for i in inside(axes[0], p) for j in inside(axes[1], q)]
        values = [x[place] for place in window]
        if kind == "max":
            expected[n, p, q, c] = max(values)
            expected_gradient[window[int(np.argmax(values))]] += delta[n, p, q, c]
        else:
            expected[n, p, q, c] = sum(values) / len(values)
            for place in window:
                expected_gradient[place] += delta[n, p, q, c] / len(values)
    # values of size 1 may cancel, and another order of a sum rounds otherwise
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-13)


def inside(axis: Axis, window: int) -> range:
    start = window * axis.stride - axis.low
    return range(max(0, start), min(axis.length, start + axis.size))
