"""`bpcli show` and `bpcli bench`: what a network is made of, and what a step costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import SPEC, inside, results, write_spec


def test_layers_and_their_cost(folder: Path) -> None:
    document = results("show", "small.yaml")
    assert [layer["name"] for layer in document["layers"]] == ["dense_1", "tanh_1", "dense_2"]
    first, _, last = document["layers"]
    assert first["arrays"] == {"weight": [2, 4], "bias": [4]}
    assert (first["parameters"], first["multiply_adds"]) == (12, 8)
    assert last["output_shape"] == document["output_shape"] == [3]
    assert document["parameters"] == 27
    assert document["memory"]["optimizer"] == 2 * 27 * 4  # Adam keeps two moments, in float32


def test_settings_change_what_is_shown(folder: Path) -> None:
    document = results(
        "show", "small.yaml", "--set", "network.0.dense=16", "--set", "dtype=float64"
    )
    assert document["layers"][0]["parameters"] == 48
    assert document["memory"]["parameters"] == 8 * document["parameters"]


def test_a_batch_larger_than_the_data_takes_no_more_than_they_do(folder: Path) -> None:
    huge, whole = (
        results("show", "small.yaml", "--set", f"training.batch_size={size}")
        for size in (1_000_000_000_000, 60)
    )
    assert huge["memory"] == whole["memory"]
    ended = inside("train", "small.yaml", "-q", "--set", "training.batch_size=1000000000000")
    assert ended.returncode == 0
    data = SPEC[SPEC.index("data") : SPEC.index("network")]
    write_spec(folder, SPEC.replace(data, "data: {path: t.csv}\n"), "t.yaml")
    (folder / "t.csv").write_text("a,y\n1,u\n2,v\n3,w\n")
    wide = ("--set", "training.batch_size=1000000000000", "--set", "network.0.dense=1000")
    assert inside("train", "t.yaml", "-q", *wide).returncode == 0
    assert results("show", "t.yaml", *wide)["memory"]["activations"] == 4 * 3 * (
        1 + 1000 + 1000 + 3
    )


def test_memory_counts_what_layers_keep_inside(folder: Path) -> None:
    """Of an LSTM at each of 4 steps 7 values a unit (i f g o c tanh c h), and its output."""
    write_spec(
        folder,
        """\
data: {generate: {gaussian: {samples: 60, features: 12}}, shape: [4, 3]}
network: [{lstm: {units: 5, return: last}}, {dense: 2}]
loss: cross_entropy
training: {batch_size: 10}
""",
        "lstm.yaml",
    )
    kept = 12 + (7 * 4 * 5 + 5) + 2
    assert results("show", "lstm.yaml")["memory"]["activations"] == 4 * 10 * kept


@pytest.mark.parametrize("samples", [60, 100_000])
def test_what_memory_cannot_hold_is_refused_at_its_layer(folder: Path, samples: int) -> None:
    write_spec(folder, SPEC.replace("samples: 60", f"samples: {samples}"), "small.yaml")
    units = 6 * 10**13 // samples
    sizes = ("--set", f"network.0.dense={units}", "--set", "training.batch_size=1000000")
    ended = inside("train", "small.yaml", *sizes)
    assert ended.returncode == 2
    assert ended.stderr.startswith("small.yaml:3:11: training this network needs ")
    assert "TiB of memory, this machine has " in ended.stderr


def test_layers_inside_layers(folder: Path) -> None:
    write_spec(folder, SPEC.replace("tanh,", "{residual: [tanh, {dense: 4}]},"), "small.yaml")
    document = results("show", "small.yaml")
    names = [layer["name"] for layer in document["layers"]]
    assert names == ["dense_1", "residual_1", "residual_1.tanh_1", "residual_1.dense_1", "dense_2"]
    assert [layer["parameters"] for layer in document["layers"]] == [12, 0, 0, 20, 15]
    assert "3 weighted layers" in inside("show", "small.yaml").stdout


@pytest.mark.parametrize(
    ("dense", "message"),
    [
        ("{units: 4, freeze: [weights]}", "freeze names a parameter, here weight, bias; received"),
        (
            "{units: 4, init: {values: [[1, 2]]}}",
            "dense_1.weight cannot start so: the parameter has shape (2, 4), its values have "
            "shape (1, 2), at network.0",
        ),
        (
            "{units: 4, bias: orthogonal}",
            "dense_1.bias cannot start so: orthogonal needs two axes or more, the parameter has "
            "shape (4,), at network.0",
        ),
    ],
)
def test_parameters_that_cannot_be_are_refused_before_any_is_made(
    folder: Path, dense: str, message: str
) -> None:
    shown = inside("show", "small.yaml", "--set", f"network.0.dense={dense}")
    assert shown.returncode == 2
    assert message in shown.stderr


@pytest.mark.parametrize("accumulate", [1, 2])
def test_bench(folder: Path, accumulate: int) -> None:
    setting = f"training.accumulate={accumulate}"
    document = results("bench", "small.yaml", "--seconds", "0.3", "--set", setting)
    step = document["step_seconds"]
    assert document["fastest_step_seconds"] <= step
    assert document["examples"] == 8 * accumulate
    assert document["examples_per_second"] == pytest.approx(document["examples"] / step)
    expected = {"data", "forward", "loss", "backward", "optimizer", "recording"}
    assert set(document["phases"]) == expected
    # forward and for the weights, and through the second layer for the first
    products = document["examples"] * (2 * 8 + 3 * 12)
    assert document["multiply_adds"] == products
    reached = products / step / document["gemm_ceiling"]
    assert document["gemm_fraction"] == pytest.approx(reached)
    assert sum(document["phases"].values()) < 10 * step
    assert all(layer["forward_seconds"] > 0 for layer in document["layers"])


def test_bench_of_a_network_that_cannot_take_a_step(folder: Path) -> None:
    wild = "network.0.dense.init={constant: 1e30}"
    layers = "network.2.dense.init={constant: 1e30}"
    ended = inside("bench", "small.yaml", "--set", wild, "--set", layers, "--set", "network.1=relu")
    assert ended.returncode == 3
    assert "no step can be timed" in ended.stderr
