"""Records what PyTorch's sequence layers do: python make_sequence_reference.py

Writes sequences.npz beside itself. Each case is a layer with random parameters, random inputs and
random gradients by its outputs; the file holds them with the outputs and all gradients that
PyTorch computes, in float64 and in our layout: `case/inputs`, `case/outputs`,
`case/output_gradient`, `case/input_gradient`, `case/parameter/NAME`, `case/gradient/NAME`.
PyTorch keeps weights as (units, inputs), ours are (inputs, units).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
SHAPES = {"several": (3, 5, 4), "one_example": (1, 7, 4), "one_step": (4, 1, 4), "long": (2, 30, 6)}
UNITS = 3
VOCABULARY = 9


def randomize(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0, 0.7)


def numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()


def record(module: nn.Module, inputs: torch.Tensor, outputs_of, names: dict) -> dict:
    """``names``: ours -> (PyTorch's parameter, the part of its rows that is meant)."""
    if inputs.is_floating_point():
        inputs.requires_grad_()
    outputs = outputs_of(inputs)
    output_gradient = torch.randn(outputs.shape)
    outputs.backward(output_gradient)
    found = {
        "inputs": numpy(inputs),
        "outputs": numpy(outputs),
        "output_gradient": numpy(output_gradient),
    }
    if inputs.is_floating_point():
        found["input_gradient"] = numpy(inputs.grad)
    for name, (parameter, rows) in names.items():
        values, gradient = numpy(parameter)[rows], numpy(parameter.grad)[rows]
        found[f"parameter/{name}"] = values if name == "embedding_weight" else values.T
        found[f"gradient/{name}"] = gradient if name == "embedding_weight" else gradient.T
    return found


def recurrent(kind: type, shape: tuple, last: bool, **options) -> dict:
    module = kind(shape[-1], UNITS, batch_first=True, **options)
    randomize(module)
    everything = slice(None)
    names = {
        "weight": (module.weight_ih_l0, everything),
        "recurrent_weight": (module.weight_hh_l0, everything),
        "bias": (module.bias_ih_l0, everything),
    }
    if kind is nn.GRU:
        names["recurrent_bias"] = (module.bias_hh_l0, everything)
    else:  # we have one bias where PyTorch has two that add up
        nn.init.zeros_(module.bias_hh_l0)

    def outputs_of(inputs):
        states = module(inputs)[0]
        return states[:, -1] if last else states

    return record(module, torch.randn(shape), outputs_of, names)


def attention(shape: tuple, heads: int, causal: bool, bias: bool) -> dict:
    features = shape[-1]
    module = nn.MultiheadAttention(features, heads, bias=bias, batch_first=True)
    randomize(module)
    names = {"output_weight": (module.out_proj.weight, slice(None))}
    if bias:
        names["output_bias"] = (module.out_proj.bias, slice(None))
    for number, name in enumerate(("query", "key", "value")):
        rows = slice(number * features, (number + 1) * features)
        names[f"{name}_weight"] = (module.in_proj_weight, rows)
        if bias:
            names[f"{name}_bias"] = (module.in_proj_bias, rows)
    mask = nn.Transformer.generate_square_subsequent_mask(shape[1]) if causal else None

    def outputs_of(inputs):
        return module(inputs, inputs, inputs, attn_mask=mask, need_weights=False)[0]

    return record(module, torch.randn(shape), outputs_of, names)


def embedding(shape: tuple) -> dict:
    module = nn.Embedding(VOCABULARY, UNITS)
    codes = torch.randint(0, VOCABULARY, shape[:2])
    names = {"embedding_weight": (module.weight, slice(None))}
    found = record(module, codes, module, names)
    return {name.replace("embedding_weight", "weight"): value for name, value in found.items()}


def main() -> None:
    torch.manual_seed(0)
    cases = {}
    for shape_name, shape in SHAPES.items():
        for returned in ("sequence", "last"):
            last = returned == "last"
            cases[f"rnn_tanh {shape_name} {returned}"] = recurrent(nn.RNN, shape, last)
            cases[f"rnn_relu {shape_name} {returned}"] = recurrent(
                nn.RNN, shape, last, nonlinearity="relu"
            )
            cases[f"lstm {shape_name} {returned}"] = recurrent(nn.LSTM, shape, last)
            cases[f"gru {shape_name} {returned}"] = recurrent(nn.GRU, shape, last)
        for heads in (1, 2):
            for causal in (False, True):
                name = f"attention_{heads}{'_causal' if causal else ''}"
                cases[f"{name} {shape_name}"] = attention(shape, heads, causal, bias=True)
        cases[f"embedding {shape_name}"] = embedding(shape)
    cases["attention_2 plain"] = attention(SHAPES["several"], 2, causal=False, bias=False)
    arrays = {
        f"{case}/{name}": value for case, found in cases.items() for name, value in found.items()
    }
    origin = f"PyTorch {torch.__version__}, make_sequence_reference.py"
    path = Path(__file__).with_name("sequences.npz")
    np.savez_compressed(path, origin=np.array(origin), **arrays)


if __name__ == "__main__":
    main()
