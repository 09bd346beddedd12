"""Records what PyTorch's convolution and pooling give: python make_convolution_reference.py

Writes convolution.json beside itself, cases like those of make_layer_reference.py. PyTorch has
channels first and no `same` with a stride, so axes are moved and the padding is made here, by
Keras' rule: ⌈n/stride⌉ windows, the odd value of the padding after the input. All in float64.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from make_layer_reference import case
from torch import Tensor
from torch.nn import functional

IMAGES = {"several": (2, 5, 4, 2), "one": (1, 6, 5, 2), "grey": (2, 4, 7, 1), "deep": (1, 4, 4, 9)}
SEQUENCES = {"several": (2, 8, 2), "one": (1, 7, 3), "one feature": (2, 9, 1)}
CONVOLUTIONS = [
    {"filters": 4},
    {"filters": 2, "padding": "valid"},
    {"filters": 3, "stride": 2},
    {"filters": 3, "kernel": 2, "stride": 2, "padding": "valid"},
    {"filters": 1, "kernel": 5, "bias": False},
    {"filters": 2, "kernel": 4, "stride": 3},
    {"filters": 2, "kernel": 1, "stride": 2},
]
CONVOLUTIONS_2D = [
    {"filters": 2, "kernel": [1, 3], "stride": [2, 1]},
    {"filters": 2, "kernel": [4, 2], "stride": [1, 3], "padding": "valid"},
]
POOLINGS = [
    {"size": 2},
    {"size": 3, "stride": 2},
    {"size": 3, "stride": 1, "padding": "same"},
    {"size": 2, "padding": "same"},
    {"size": 4, "stride": 3, "padding": "same"},
    {"size": 2, "stride": 3},
]
POOLINGS_2D = [{"size": [3, 2]}, {"size": [1, 4], "stride": [2, 1], "padding": "same"}]


def per_axis(value: int | Sequence[int], axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else list(value)


def padded(x: Tensor, sizes: Sequence[int], strides: Sequence[int], value: float) -> Tensor:
    """x (examples, channels, *axes) with Keras' padding."""
    pads: list[int] = []
    for n, size, stride in zip(x.shape[2:], sizes, strides, strict=True):
        missing = max(0, (math.ceil(n / stride) - 1) * stride + size - n)
        pads = [missing // 2, missing - missing // 2, *pads]  # the last axis first
    return functional.pad(x, pads, value=value)


def convolution(options: dict, axes: int) -> Callable[[Tensor, dict], Tensor]:
    convolve = (functional.conv1d, functional.conv2d)[axes - 1]
    sizes = per_axis(options.get("kernel", 3), axes)
    strides = per_axis(options.get("stride", 1), axes)

    def function(inputs: Tensor, parameters: dict) -> Tensor:
        x = inputs.movedim(-1, 1)
        if options.get("padding", "same") == "same":
            x = padded(x, sizes, strides, 0.0)
        # filters, inputs, *kernel
        weight = parameters["weight"].movedim(-1, 0).movedim(-1, 1).contiguous()
        return convolve(x, weight, parameters.get("bias"), strides).movedim(1, -1)

    return function


def pooling(kind: str, options: dict, axes: int) -> Callable[[Tensor], Tensor]:
    largest = (functional.max_pool1d, functional.max_pool2d)[axes - 1]
    mean = (functional.avg_pool1d, functional.avg_pool2d)[axes - 1]
    sizes = per_axis(options["size"], axes)
    strides = per_axis(options.get("stride", options["size"]), axes)
    same = options.get("padding") == "same"

    def max_pool(x: Tensor) -> Tensor:
        return largest(padded(x, sizes, strides, -math.inf) if same else x, sizes, strides)

    def mean_pool(x: Tensor) -> Tensor:
        """The sum over the window by the number of its values in the input."""
        if not same:
            return mean(x, sizes, strides)
        share = mean(padded(torch.ones_like(x), sizes, strides, 0.0), sizes, strides)
        return mean(padded(x, sizes, strides, 0.0), sizes, strides) / share

    chosen = {"max_pool": max_pool, "avg_pool": mean_pool}[kind]
    return lambda inputs: chosen(inputs.movedim(-1, 1)).movedim(1, -1)


def convolutions() -> list[dict]:
    cases = []
    for axes, shapes, more in ((1, SEQUENCES, []), (2, IMAGES, CONVOLUTIONS_2D)):
        for options in [*CONVOLUTIONS, *more]:
            kernel = per_axis(options.get("kernel", 3), axes)
            for shape_name, shape in shapes.items():
                parameters = {"weight": torch.randn(*kernel, shape[-1], options["filters"])}
                if options.get("bias", True):
                    parameters["bias"] = torch.randn(options["filters"])
                layer = {f"conv{axes}d": options}
                name = f"{title(layer)}, {shape_name}"
                function = convolution(options, axes)
                cases.append(case(name, layer, function, torch.randn(shape), parameters))
    return cases


def poolings() -> list[dict]:
    cases = []
    for axes, shapes, more in ((1, SEQUENCES, []), (2, IMAGES, POOLINGS_2D)):
        for kind in ("max_pool", "avg_pool"):
            for options in [*POOLINGS, *more]:
                for shape_name, shape in list(shapes.items())[:2]:
                    layer = {f"{kind}{axes}d": options}
                    name = f"{title(layer)}, {shape_name}"
                    function = pooling(kind, options, axes)
                    cases.append(case(name, layer, function, torch.randn(shape)))
        for shape_name, shape in shapes.items():
            layer = {f"global_avg_pool{axes}d": {}}
            places = tuple(range(1, axes + 1))
            name = f"{title(layer)}, {shape_name}"
            cases.append(case(name, layer, lambda x, p=places: x.mean(p), torch.randn(shape)))
    return cases


def batch_norms() -> list[dict]:
    """Over the channels of images and the features of sequences, in both modes."""
    cases = []
    for shape_name, shape in {"images": (3, 4, 5, 2), "one image": (1, 4, 4, 3)}.items():
        for training in (True, False):
            channels = shape[-1]
            state = {
                "running_mean": torch.randn(channels),
                "running_variance": torch.rand(channels) + 0.5,
            }
            kept = {name: value.clone() for name, value in state.items()}

            def function(x: Tensor, p: dict, kept=kept, training=training) -> Tensor:
                running = kept["running_mean"], kept["running_variance"]
                affine = p["scale"], p["shift"]
                y = functional.batch_norm(x.movedim(-1, 1), *running, *affine, training=training)
                return y.movedim(1, -1)

            name = f"batch_norm, {shape_name}, {'training' if training else 'evaluation'}"
            parameters = {"scale": torch.randn(channels), "shift": torch.randn(channels)}
            more = {"training": training, "state": state, "state_after": kept}
            inputs = 2 * torch.randn(shape) + 1
            cases.append(case(name, {"batch_norm": {}}, function, inputs, parameters, **more))
    return cases


def title(layer: dict) -> str:
    ((name, options),) = layer.items()
    return " ".join([name, *(f"{key} {value}" for key, value in options.items())])


def main() -> None:
    reference = {
        "origin": f"PyTorch {torch.__version__}, make_convolution_reference.py",
        "layers": [*convolutions(), *poolings(), *batch_norms()],
    }
    text = json.dumps(reference, separators=(",", ":"), allow_nan=False).replace(
        '},{"name"', '},\n{"name"'
    )
    Path(__file__).with_name("convolution.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
