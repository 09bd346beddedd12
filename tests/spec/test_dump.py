"""A spec written as YAML reads back as itself, by readers of YAML 1.1 too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from bpcli.errors import DataError
from bpcli.spec import dump_spec, load_spec, parse_spec, resolve_paths
from bpcli.spec.data import DataOptions, SourceOptions
from bpcli.spec.model import Spec
from bpcli.spec.nodes import plain
from bpcli.spec.yaml import read_yaml

from .specs import BASE
from .strategies import specs

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_reads_back(path: Path) -> None:
    spec = load_spec(path)
    assert parse_spec(dump_spec(spec)) == spec


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_any_spec_reads_back(spec: Spec) -> None:
    assert parse_spec(dump_spec(spec)) == spec


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_readers_of_yaml_1_1_read_the_same(spec: Spec) -> None:
    text = dump_spec(spec)
    assert yaml.safe_load(text) == plain(read_yaml(text, "f")[0])


def test_the_text_is_short_and_says_how_the_run_goes() -> None:
    spec = replace(parse_spec(BASE, name="my spec"), data=DataOptions(path="/data/no way.csv"))
    assert dump_spec(spec) == (
        """\
name: "my spec"
seed: 0
dtype: float32
data:
  path: "/data/no way.csv"
network:
  - dense: {units: 4}
  - relu
  - residual: {layers: [layer_norm, {dense: {units: 4, bias: {constant: {value: 0.1}}}}]}
  - repeat: {times: 3, layers: [{dense: {units: 32}}, tanh]}
  - dense: {units: 2, init: {values: {values: [[1.0, 2.0], [3.0, 4.0]]}}}
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1.0e-08}}
training: {epochs: 10, batch_size: 32, shuffle: true, accumulate: 1, l2: 0.0}
"""
    )


def test_what_does_not_fit_on_a_line_becomes_a_block() -> None:
    inner = ", ".join(["{dense: {units: 32, init: he_normal}}"] * 4)
    text = dump_spec(parse_spec(BASE.replace("- relu", f"- residual: [{inner}]")))
    assert "  - residual:\n      layers:\n        - dense: {units: 32, init: he_normal}\n" in text
    assert max(map(len, text.splitlines())) <= 96


def test_a_path_that_no_text_can_hold_is_refused(tmp_path: Path) -> None:
    spec = parse_spec("data: {path: a.csv}\nnetwork: [{dense: 3}]\nloss: mse\n")
    with pytest.raises(DataError, match=r"the name is not UTF-8, so that no spec can hold it"):
        resolve_paths(spec, tmp_path / "d\udcff")


def test_data_paths_become_absolute(tmp_path: Path) -> None:
    spec = parse_spec(
        BASE.replace(
            "path: a.csv",
            "path: ../a.npz, inputs: x, targets: y, validation: {inputs: v.npy, targets: w.npy}, "
            "test: {images: i.gz, labels: /l.gz}",
        ),
        folder=tmp_path / "configs",
    )
    folder = tmp_path.resolve()
    expected = DataOptions(
        path=str(folder / "a.npz"),
        inputs="x",
        targets="y",
        validation=SourceOptions(
            inputs=str(folder / "configs" / "v.npy"), targets=str(folder / "configs" / "w.npy")
        ),
        test=SourceOptions(images=str(folder / "configs" / "i.gz"), labels="/l.gz"),
    )
    assert resolve_paths(spec).data == expected
    assert resolve_paths(resolve_paths(spec), Path("elsewhere")).data == expected
    assert resolve_paths(spec, tmp_path / "configs").data == expected


def test_generated_data_have_no_paths() -> None:
    spec = parse_spec(BASE.replace("path: a.csv", "generate: xor"))
    assert resolve_paths(spec) == spec
