"""What is said of whole networks: known diseases by name and place, nothing of healthy ones."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bpcli.build import network_on
from bpcli.data import load_data
from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.log import diagnose_log
from bpcli.diagnosis.probe import diagnose_spec
from bpcli.layers_file import load_layers
from bpcli.spec import load_spec, parse_spec
from bpcli.spec.model import Spec

ROOT = Path(__file__).parents[2]
DIGITS = f"""\
data:
  path: {ROOT / "datasets" / "digits.csv.gz"}
  target: digit
  split: {{validation: 0.2}}
  scale: 0.0625
loss: cross_entropy
"""


def names(diagnosis: Diagnosis) -> list[str]:
    return [finding.name for finding in diagnosis.findings]


# a wrong backward pass is no vanishing gradient

SHORTCUT = '''\
import bpcli
import numpy as np


class Shortcut(bpcli.Layer):
    """y = x + tanh(x W)."""

    name = "shortcut"

    def parameters(self, input_shape):
        return {"weight": ((input_shape[-1], input_shape[-1]), {"normal": {"std": 0.05}})}

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, inputs, parameters, *, training, random):
        branch = np.tanh(inputs @ parameters["weight"])
        return inputs + branch, (inputs, branch)

    def backward(self, cache, output_gradient, parameters, gradients):
        inputs, branch = cache
        inner = output_gradient * (1 - branch * branch)
        gradients["weight"][...] = inputs.T @ inner
        return inner @ parameters["weight"].T + output_gradient
'''


@pytest.mark.parametrize("whole", [True, False])
def test_a_residual_path_left_out_on_the_way_back(tmp_path: Path, whole: bool) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SHORTCUT if whole else SHORTCUT.replace(".T + output_gradient", ".T"))
    layers = load_layers(file)
    text = (
        DIGITS
        + "network: [{dense: 24}, {repeat: {times: 12, layers: [shortcut]}}, {dense: 10}]\n"
        + "optimizer: {adam: {learning_rate: 0.003}}\n"
        + "training: {epochs: 6, batch_size: 32}\n"
    )
    found = diagnose_spec(parse_spec(text, layers=layers), layers=layers)
    assert names(found) == ([] if whole else ["wrong-gradient"])
    if not whole:
        assert found.findings[0].layers == tuple(f"shortcut_{n}" for n in range(1, 13))
        assert "path" in found.findings[0].message


def test_residual_branches_that_start_small_are_healthy() -> None:
    branch = "layer_norm, {dense: 32}, relu, {dense: {units: 32, init: {normal: {std: 0.001}}}}"
    text = (
        DIGITS
        + f"network: [{{dense: 32}}, {{repeat: {{times: 8, layers: [residual: [{branch}]]}}}},"
        + " {dense: 10}]\n"
        + "optimizer: {adam: {learning_rate: 0.003}}\n"
        + "training: {epochs: 6, batch_size: 32}\n"
    )
    assert names(diagnose_spec(parse_spec(text))) == []


def test_vanishing_through_time() -> None:
    found = diagnose_spec(load_spec(ROOT / "configs" / "adding_problem_rnn.yaml"))
    (finding,) = found.findings
    assert (finding.name, finding.severity) == ("vanishing-gradient", "error")
    assert finding.layers == ("rnn_1",)
    assert finding.cause == "small-recurrent-init"
    assert finding.evidence["largest_singular_value"] < 1
    # σ_max bounds what a step back leaves; σ of Gaussian weights is 0.05 · √64 = 0.4 a step
    lost = finding.evidence["steps_to_one_percent"]
    assert lost == pytest.approx(np.log(0.01) / np.log(0.4), abs=2)


# Nielsen 2015, chapter 5: sigmoid, quadratic cost, weights N(0, 1/fan-in), biases N(0, 1); mean
# bias gradients over the first 1,000 training images, norms by hidden layer, before training
NIELSEN = {
    2: (0.066, 0.309),
    3: (0.0118, 0.0600, 0.283),
    4: (0.0030, 0.0171, 0.0695, 0.285),
}


def nielsen(hidden: int) -> Spec:
    init = "{variance_scaling: {scale: 1, mode: fan_in, distribution: normal}}"
    options = f"init: {init}, bias: {{normal: {{std: 1}}}}"
    folder = ROOT / "datasets" / "mnist"
    return parse_spec(f"""\
data:
  images: {folder / "train-images-idx3-ubyte.gz"}
  labels: {folder / "train-labels-idx1-ubyte.gz"}
  split: {{validation: 0.1}}
  scale: 0.00392156862745098
network:
  - flatten
  - repeat: {{times: {hidden}, layers: [{{dense: {{units: 30, {options}}}}}, sigmoid]}}
  - dense: {{units: 10, {options}}}
  - sigmoid
loss: mse
optimizer: {{sgd: {{learning_rate: 0.5}}}}
training: {{epochs: 30, batch_size: 10}}
""")


@pytest.mark.parametrize("hidden", NIELSEN)
def test_gradients_of_nielsens_networks(hidden: int) -> None:
    spec = nielsen(hidden)
    dataset = load_data(spec)
    inputs, targets = (array[:1000] for array in dataset.train.take(np.arange(1000)))
    norms = []
    for seed in range(8):
        network = network_on(replace(spec, seed=seed), dataset)
        network.loss_and_gradients(inputs, targets)
        biases = [f"dense_{n}.bias" for n in range(1, hidden + 1)]
        norms.append([np.log(np.linalg.norm(network.gradients[name])) for name in biases])
    steps = np.exp(np.diff(np.mean(norms, axis=0)))
    for ratio, (before, after) in zip(steps, pairwise(NIELSEN[hidden]), strict=True):
        assert ratio == pytest.approx(after / before, rel=1)
        assert ratio >= after / before / 2


@pytest.mark.slow
@pytest.mark.parametrize("hidden", NIELSEN)
def test_vanishing_in_nielsens_networks(hidden: int) -> None:
    found = diagnose_spec(nielsen(hidden))
    finding = next(each for each in found.findings if each.name == "vanishing-gradient")
    assert finding.layers[0] == "dense_1"
    assert finding.cause == "saturating-activation"


# a log, of what cannot be tried again


def log_of(ratios: list[float], sizes: list[float]) -> str:
    """A line a step: update ratios of both layers, the size of their signals and gradients."""
    lines = []
    for step, (ratio, size) in enumerate(zip(ratios, sizes, strict=True), 1):
        layers = [
            {"name": name, "gradient_norm": size, "activation_rms": size, "update_ratio": ratio}
            for name in ("conv", "dense", "head")
        ]
        lines.append(json.dumps({"step": step, "loss": 2.3 * max(size, 1.0), "layers": layers}))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("ratios", "sizes", "name"),
    [
        # sound at first, thrown away by steps twice as long as the weights
        ([2.0] * 24, [1.0, 30.0, 1e3, *[1e4] * 21], "learning-rate-too-high"),
        # too large from the very first line: that no step did
        ([2.0] * 24, [1e4] * 24, "exploding-activation"),
        # usual steps
        ([1e-3] * 24, [1.0, 30.0, 1e3, *[1e4] * 21], "exploding-activation"),
    ],
)
def test_a_log_that_blows_up(
    tmp_path: Path, ratios: list[float], sizes: list[float], name: str
) -> None:
    path = tmp_path / "gradients.jsonl"
    path.write_text(log_of(ratios, sizes), encoding="utf-8")
    found = diagnose_log(path)
    assert names(found)[:1] == [name]
    if name == "learning-rate-too-high":
        assert found.findings[0].evidence["symptoms"] == ["exploding-activation"]
        assert found.findings[0].first_step == 1
