"""Outputs and all gradients of sequence layers against values recorded from PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.optimization import MeanSquaredError

from .numerical import Array

REFERENCE = Path(__file__).parents[1] / "reference" / "sequences.npz"
TOLERANCE = 1e-10  # relative to the largest element of each array
ROUNDING = 1e-13  # of gradients that are exactly zero: that of the key's bias

with np.load(REFERENCE, allow_pickle=False) as file:
    ARRAYS = {name: file[name] for name in file.files if "/" in name}
CASES = sorted({name.partition("/")[0] for name in ARRAYS})


def layer_of(case: str) -> spec.LayerOptions:
    kind, _, options = case.partition(" ")
    returned = "last" if options.endswith("last") else "sequence"
    return {
        "rnn_tanh": spec.Rnn(3, returned),
        "rnn_relu": spec.Rnn(3, returned, activation="relu"),
        "lstm": spec.Lstm(3, returned),
        "gru": spec.Gru(3, returned),
        "attention_1": spec.Attention(1),
        "attention_1_causal": spec.Attention(1, causal=True),
        "attention_2": spec.Attention(2, bias=options != "plain"),
        "attention_2_causal": spec.Attention(2, causal=True),
        "embedding": spec.Embedding(3, vocabulary=9),
    }[kind]


def agree(ours: Array | None, recorded: Array) -> bool:
    assert ours is not None
    assert ours.shape == recorded.shape
    error = float(np.abs(ours - recorded).max())
    return error <= TOLERANCE * float(np.abs(recorded).max()) + ROUNDING


def test_every_kind_is_recorded() -> None:
    kinds = {layer_of(case).name for case in CASES}
    assert kinds == {"rnn", "lstm", "gru", "attention", "embedding"}


@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_that_of_pytorch(case: str) -> None:
    recorded = {
        name.removeprefix(f"{case}/"): value
        for name, value in ARRAYS.items()
        if name.startswith(f"{case}/")
    }
    inputs = recorded["inputs"]
    network = Network([layer_of(case)], MeanSquaredError(), inputs.shape[1:], dtype="float64")
    network.keep_input_gradient(True)
    for name, parameter in network.parameters.items():
        parameter[...] = recorded[f"parameter/{name.rpartition('.')[2]}"]
    assert agree(network.forward(inputs), recorded["outputs"])
    input_gradient = network.backward(recorded["output_gradient"])
    if "input_gradient" in recorded:
        assert agree(input_gradient, recorded["input_gradient"])
    for name, gradient in network.gradients.items():
        assert agree(gradient, recorded[f"gradient/{name.rpartition('.')[2]}"]), name
