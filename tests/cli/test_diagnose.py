"""`bpcli diagnose` as it looks: nothing is wider than 80 columns, whatever the network is."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import bpcli, inside

HEAD = """\
data: {generate: {circles: {samples: 200}}}
loss: cross_entropy
optimizer: {sgd: {learning_rate: 0.1}}
training: {epochs: 10, batch_size: 20}
"""
SPECS = {
    "deep": "network: [{repeat: {times: 11, layers: [{dense: 16}, sigmoid]}}, {dense: 2}]",
    "long names": """\
network:
  - dense: {units: 16, name: the_first_layer_of_this_network_with_a_name_that_goes_on_and_on}
  - sigmoid
  - repeat: {times: 10, layers: [{dense: 16}, sigmoid]}
  - dense: {units: 2, name: the_last_layer_of_this_network}
""",
    "long": "network: [{repeat: {times: 40, layers: [{dense: 16}, layer_norm, tanh]}}, {dense: 2}]",
    "steep": """\
network:
  - repeat: {times: 12, layers: [{dense: {units: 16, init: {normal: {std: 80}}}}, relu]}
  - dense: 2
""",
    "residual": """\
network:
  - dense: 16
  - repeat: {times: 30, layers: [{residual: [layer_norm, {dense: 16}, relu, {dense: 16}]}]}
  - dense: 2
""",
}


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "network.yaml"
    path.write_text(HEAD + SPECS[request.param], encoding="utf-8")
    return path


def test_a_diagnosis_fits_80_columns(spec: Path) -> None:
    ended = inside("diagnose", spec, "--no-train")
    assert max(map(len, (ended.stdout + ended.stderr).splitlines())) <= 80
    assert "gradient slope" in ended.stdout
    assert len(ended.stdout.splitlines()) < 48


@pytest.mark.slow
def test_training_and_the_diagnosis_of_its_run_fit_80_columns(spec: Path) -> None:
    trained = bpcli("train", spec.name, "--fail-on", "never", folder=spec.parent)
    assert trained.returncode in (0, 3), trained.stderr
    found = bpcli("diagnose", "runs/network", folder=spec.parent)
    for ended in (trained, found):
        assert max(map(len, (ended.stdout + ended.stderr).splitlines())) <= 80
    assert found.stdout.startswith("runs/network · ")


def test_layers_that_are_not_shown_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_text(HEAD + SPECS["long"], encoding="utf-8")
    ended = inside("diagnose", path, "--no-train")
    assert "57 layers not shown; --format json has all" in ended.stdout
    assert "dense_1 " in ended.stdout
    assert "dense_41" in ended.stdout
    assert "layer_norm_1 " not in ended.stdout
