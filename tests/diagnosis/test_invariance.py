"""Verdicts do not depend on what does not matter: the scale of the loss, the order of the units,
the size of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import bpcli.diagnosis.laboratory as laboratory
import bpcli.diagnosis.probe as probe
from bpcli.build import network_on
from bpcli.data import Dataset
from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.probe import diagnose_spec
from bpcli.diagnosis.reference import Expectation, expectation
from bpcli.network import Network
from bpcli.spec import parse_spec
from bpcli.spec.model import Spec

HEAD = """\
data: {generate: {blobs: {samples: 300, classes: 4, noise: 0.8}}, scale: standard}
loss: cross_entropy
optimizer: {sgd: {learning_rate: 0.05}}
training: {epochs: 12, batch_size: 20}
"""
# (times, the layers that are repeated)
NETWORKS = {
    "sound": (3, "{dense: {units: 24, init: he_normal}}, relu"),
    "vanishing": (10, "{dense: 24}, sigmoid"),
    "small": (8, "{dense: {units: 24, init: {normal: {std: 0.02}}}}, tanh"),
    "exploding": (8, "{dense: {units: 24, init: {normal: {std: 0.8}}}}, relu"),
    "batch norm": (16, "{dense: 24}, batch_norm, relu"),
    "residual": (6, "{residual: [layer_norm, {dense: 24}, relu]}"),
    "dead": (1, "{dense: {units: 24, bias: {constant: -30}}}, relu"),
}
QUICK = ("sound", "dead")  # to train
FACTORS = (1e-6, 1e6)


def spec_of(name: str) -> Spec:
    times, layers = NETWORKS[name]
    repeated = f"{{repeat: {{times: {times}, layers: [{layers}]}}}}"
    return parse_spec(HEAD + f"network: [{{dense: 24}}, {repeated}, {{dense: 4}}]\n")


def told(diagnosis: Diagnosis) -> list[tuple[Any, ...]]:
    return [
        (each.code, each.severity, each.layers, each.first_step, each.cause)
        for each in diagnosis.findings
    ]


class ScaledLoss:
    """c L for a network's loss L."""

    def __init__(self, loss: Any, factor: float) -> None:
        self.loss, self.factor, self.name = loss, factor, loss.name

    def forward(self, outputs: Any, targets: Any) -> tuple[Any, Any]:
        value, cache = self.loss.forward(outputs, targets)
        return value * value.dtype.type(self.factor), cache

    def backward(self, cache: Any) -> Any:
        gradient = self.loss.backward(cache)
        return gradient * gradient.dtype.type(self.factor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loss, name)


def scale_losses(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Of all networks that a diagnosis builds of the spec, and of what they are held against."""

    def scaled_network(spec: Spec, dataset: Dataset) -> Network:
        network = network_on(spec, dataset)
        network.loss = ScaledLoss(network.loss, factor)  # type: ignore[assignment]
        return network

    def scaled_expectation(spec: Spec, dataset: Dataset, steps: int) -> Expectation:
        found = expectation(spec, dataset, steps)
        return replace(found, chance_loss=found.chance_loss * factor)

    for module in (probe, laboratory):
        monkeypatch.setattr(module, "network_on", scaled_network)
    monkeypatch.setattr(probe, "expectation", scaled_expectation)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("factor", FACTORS)
def test_the_scale_of_the_loss_at_the_start(
    name: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(name)
    plain = diagnose_spec(spec, train=False)
    scale_losses(monkeypatch, factor)
    scaled = diagnose_spec(spec, train=False)
    assert told(scaled) == told(plain)
    norms = [row.figures["delta_norm"] for row in plain.layers]
    assert [row.figures["delta_norm"] for row in scaled.layers] == pytest.approx(
        [factor * norm for norm in norms], rel=1e-4, abs=0
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=[] if each in QUICK else pytest.mark.slow) for each in NETWORKS],
)
@pytest.mark.parametrize("factor", FACTORS)
def test_the_scale_of_the_loss_where_the_learning_rate_is_divided_by_it(
    name: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(name)
    plain = diagnose_spec(spec)
    scale_losses(monkeypatch, factor)
    rate = spec.optimizer.learning_rate / factor
    scaled = diagnose_spec(replace(spec, optimizer=replace(spec.optimizer, learning_rate=rate)))  # type: ignore[type-var]
    assert told(scaled) == told(plain)
    assert scaled.evidence.verdict.fails == plain.evidence.verdict.fails


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [4, 300])
def test_the_size_of_a_batch(name: str, size: int) -> None:
    spec = spec_of(name)
    other = replace(spec, training=replace(spec.training, batch_size=size))
    assert told(diagnose_spec(other, train=False)) == told(diagnose_spec(spec, train=False))


def permuted(build: Callable[[Spec, Dataset], Network]) -> Callable[[Spec, Dataset], Network]:
    """Networks whose hidden units stand in another order: the same function."""

    def built(spec: Spec, dataset: Dataset) -> Network:
        network = build(spec, dataset)
        random = np.random.default_rng(5)
        dense = [node.layer.path for node in network.nodes if node.layer.name == "dense"]
        for first, second in pairwise(dense):
            order = random.permutation(network.parameters[f"{first}.weight"].shape[1])
            for values in (f"{first}.weight", f"{first}.bias"):
                network.parameters[values][...] = network.parameters[values][..., order]
            weight = network.parameters[f"{second}.weight"]
            weight[...] = weight[order]
        return network

    return built


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "residual"])
def test_the_order_of_the_units(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(name)
    plain = diagnose_spec(spec, train=False)
    monkeypatch.setattr(probe, "network_on", permuted(network_on))
    assert told(diagnose_spec(spec, train=False)) == told(plain)
