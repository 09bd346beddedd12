"""Metrics against their definitions, over batches of any size."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bpcli.training.metrics import Accuracy, Deviation, Meter, evaluate, evaluation_batch_size
from bpcli.training.stopping import Metric

from .support import (
    MemoryPart,
    MemoryTargets,
    layer,
    make_network,
    make_spec,
    part,
)

NUMBERS = MemoryTargets("numbers")


def accuracy(targets: MemoryTargets, outputs: list, wanted: list) -> float:
    meter = Accuracy(targets)
    meter.add(np.array(outputs, np.float32), np.array(wanted))
    return meter.figures()["accuracy"]


def test_accuracy_counts_right_answers() -> None:
    outputs = [[1, 2, 3], [3, 2, 1], [0, 5, 0], [1, 0, 0]]
    assert accuracy(MemoryTargets("classes"), outputs, [2, 0, 1, 2]) == 0.75
    one_hot = np.eye(3)[[2, 0, 1, 2]].tolist()
    assert accuracy(MemoryTargets("classes"), outputs, one_hot) == 0.75
    sequences = [[[0, 1], [1, 0]], [[0, 1], [0, 1]]]
    assert accuracy(MemoryTargets("classes"), sequences, [[1, 0], [1, 0]]) == 0.75


def test_accuracy_of_one_output_depends_on_what_it_means() -> None:
    outputs, wanted = [[0.4], [0.6], [-0.1], [2.0]], [[0.0], [1.0], [0.0], [0.0]]
    assert accuracy(MemoryTargets("binary", logits=True), outputs, wanted) == 0.5
    assert accuracy(MemoryTargets("binary", logits=False), outputs, wanted) == 0.75


def regression(count: int = 5000, columns: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    wanted = random.standard_normal((count, columns)) * [1, 20] + [1e6, -3]
    return wanted + random.standard_normal((count, columns)), wanted


@pytest.mark.parametrize("batch", [1, 7, 1000, 5000])
def test_regression_figures_are_those_of_the_whole(batch: int) -> None:
    outputs, wanted = regression()
    meter = Deviation(NUMBERS)
    for start in range(0, len(wanted), batch):
        meter.add(outputs[start : start + batch], wanted[start : start + batch])
    error = outputs - wanted
    r2 = 1 - (error**2).sum(axis=0) / ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    expected = {
        "rmse": math.sqrt((error**2).mean()),
        "mae": np.abs(error).mean(),
        "r2": r2.mean(),
    }
    assert meter.figures() == pytest.approx(expected, rel=1e-9)


def test_regression_figures_are_in_the_units_of_the_data() -> None:
    meter = Deviation(MemoryTargets("numbers", factor=0.1))
    meter.add(np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]]))
    figures = meter.figures()
    assert figures["mae"] == pytest.approx(5.0)
    assert figures["rmse"] == pytest.approx(math.sqrt(50))
    assert math.isnan(figures["r2"])  # targets that do not vary leave nothing to explain


def test_a_perfect_and_a_mean_prediction() -> None:
    wanted = np.array([[1.0], [2.0], [3.0]])
    for outputs, r2 in ((wanted, 1.0), (np.full_like(wanted, 2.0), 0.0)):
        meter = Deviation(NUMBERS)
        meter.add(outputs, wanted)
        assert meter.figures()["r2"] == pytest.approx(r2)


@pytest.mark.parametrize("cut", [0, 10, 600, 1030, 3000])
def test_a_meter_goes_on_where_it_was_to_the_bit(cut: int) -> None:
    outputs, wanted = regression(3000)
    whole, first, second = Meter(NUMBERS), Meter(NUMBERS), Meter(NUMBERS)
    for row in range(0, 3000, 10):
        whole.add(outputs[row : row + 10], wanted[row : row + 10], 0.1 * row)
        meter = first if row < cut else second
        if row == cut:
            second.restore(first.state(), wanted.shape[1:])
        meter.add(outputs[row : row + 10], wanted[row : row + 10], 0.1 * row)
    if cut == 3000:
        second.restore(first.state(), wanted.shape[1:])
    assert second.figures() == whole.figures()


def test_the_loss_is_a_mean_over_examples_not_batches() -> None:
    meter = Meter(MemoryTargets("classes"))
    meter.add(np.zeros((4, 2)), np.zeros(4, int), 1.0)
    meter.add(np.zeros((1, 2)), np.zeros(1, int), 6.0)
    assert meter.figures()["loss"] == pytest.approx(2.0)
    meter.reset()
    assert math.isnan(meter.figures()["loss"])
    assert json.dumps(meter.state())


def test_evaluation_is_in_evaluation_mode_and_without_penalty() -> None:
    spec = make_spec(
        layer("dense", units=4),
        layer("batch_norm"),
        layer("dropout", rate=0.5),
        layer("dense", units=3),
        l2=10.0,
    )
    network, data = make_network(spec), part(300, 0)
    before = network.state.vector.copy()
    figures = evaluate(network, data, MemoryTargets("classes"), 1)
    outputs = network.predict(data.inputs).astype(float)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    expected = -log_softmax[np.arange(300), data.targets].mean()
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)
    assert figures["accuracy"] == np.mean(outputs.argmax(axis=1) == data.targets)
    assert np.array_equal(network.state.vector, before)


def test_evaluation_batches_shrink_with_the_size_of_activations() -> None:
    small = make_network(make_spec(layer("dense", units=10)))
    large = make_network(make_spec(layer("dense", units=100_000)))
    assert evaluation_batch_size(small, 32) == 256
    assert evaluation_batch_size(small, 1000) == 1000
    assert 32 <= evaluation_batch_size(large, 32) < 64


def test_text_is_measured_in_perplexity_and_bits() -> None:
    meter = Meter(MemoryTargets("characters"))
    meter.add(np.zeros((2, 3, 4), np.float32), np.zeros((2, 3), np.int64), math.log(4))
    figures = meter.figures()
    assert tuple(figures) == meter.names == ("loss", "perplexity", "bits_per_character", "accuracy")
    assert figures["perplexity"] == pytest.approx(4)  # as uncertain as a die of four sides
    assert figures["bits_per_character"] == pytest.approx(2)


def test_an_empty_part_has_no_figures() -> None:
    empty = MemoryPart(np.zeros((0, 2), np.float32), np.zeros(0, int))
    figures = evaluate(make_network(make_spec()), empty, MemoryTargets("classes"), 4)
    assert all(math.isnan(value) for value in figures.values())
    numbers = MemoryPart(np.zeros((0, 2), np.float32), np.zeros((0, 3), np.float32))
    figures = evaluate(make_network(make_spec(loss="mse")), numbers, MemoryTargets("numbers"), 4)
    assert set(figures) == {"loss", "rmse", "mae", "r2"}
    assert all(math.isnan(value) for value in figures.values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_better(value: float) -> None:
    assert not Metric("validation.loss").better(value, None)
    assert not Metric("validation.loss").better(value, 1.0)
