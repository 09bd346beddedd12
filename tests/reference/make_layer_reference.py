"""Records what PyTorch's layers and losses give: python make_layer_reference.py

Writes layers.json beside itself. A case is a layer as a spec writes it (in normal form), or a
network of several with its loss, with all that goes in and all that comes out: outputs, the
gradient by the inputs and by every parameter, from a given gradient by the outputs. Parameters
have our names and shapes. All in float64, all numbers random but seeded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

SHAPES = {"rows": (5, 4), "one row": (1, 4), "sequences": (2, 3, 4)}
LARGE = [
    [-745.0, -120.0, -40.0, -12.5], [-3.0, -0.5, -1e-3, -1e-9],
    [1e-9, 1e-3, 0.5, 3.0], [12.5, 40.0, 120.0, 700.0],
]  # fmt: skip

# spec in normal form -> the same function in PyTorch
ACTIVATIONS: list[tuple[dict, Callable[[Tensor], Tensor]]] = [
    ({"identity": {}}, lambda x: x.clone()),
    ({"relu": {}}, torch.relu),
    ({"leaky_relu": {}}, functional.leaky_relu),
    ({"leaky_relu": {"slope": 0.3}}, lambda x: functional.leaky_relu(x, 0.3)),
    ({"elu": {}}, functional.elu),
    ({"elu": {"alpha": 0.3}}, lambda x: functional.elu(x, 0.3)),
    ({"selu": {}}, torch.selu),
    ({"gelu": {}}, functional.gelu),
    ({"gelu": {"approximate": "tanh"}}, lambda x: functional.gelu(x, approximate="tanh")),
    ({"silu": {}}, functional.silu),
    ({"tanh": {}}, torch.tanh),
    ({"sigmoid": {}}, torch.sigmoid),
    # beyond its threshold PyTorch's softplus is x itself, 2e-9 off at the default of 20
    ({"softplus": {}}, lambda x: functional.softplus(x, threshold=700)),
    ({"exponential": {}}, torch.exp),
    ({"softmax": {}}, lambda x: torch.softmax(x, -1)),
]


def listed(value):
    """Tensors, also inside dicts, as lists."""
    if isinstance(value, dict):
        return {name: listed(inner) for name, inner in value.items()}
    return value.detach().tolist() if isinstance(value, Tensor) else value


def case(
    name: str,
    layer: dict,
    function: Callable[..., Tensor],
    inputs: Tensor,
    parameters: dict[str, Tensor] | None = None,
    **more,
) -> dict:
    """One layer: ``function(inputs, parameters)``, or of the inputs alone, and its gradients."""
    parameters = {key: value.clone().requires_grad_() for key, value in (parameters or {}).items()}
    inputs = inputs.clone().requires_grad_()
    outputs = function(inputs, parameters) if parameters else function(inputs)
    output_gradient = torch.randn_like(outputs)
    outputs.backward(output_gradient)
    gradients = {key: value.grad for key, value in parameters.items()}
    return listed(
        {
            "name": name,
            "layer": layer,
            "inputs": inputs,
            "parameters": parameters,
            "output_gradient": output_gradient,
            "outputs": outputs,
            "input_gradient": inputs.grad,
            "gradients": gradients,
            **more,
        }
    )


def activations() -> list[dict]:
    cases = []
    for layer, function in ACTIVATIONS:
        for shape_name, shape in SHAPES.items():
            name = f"{_title(layer)}, {shape_name}"
            cases.append(case(name, layer, function, 2 * torch.randn(shape)))
        cases.append(case(f"{_title(layer)}, large", layer, function, torch.tensor(LARGE)))
    return cases


def _title(layer: dict) -> str:
    ((name, options),) = layer.items()
    return " ".join([name, *(str(value) for value in options.values())])


def dense() -> list[dict]:
    def affine(x: Tensor, p: dict) -> Tensor:
        return functional.linear(x, p["weight"].T, p.get("bias"))

    cases = []
    for shape_name, shape in SHAPES.items():
        parameters = {"weight": torch.randn(4, 3), "bias": torch.randn(3)}
        layer = {"dense": {"units": 3}}
        cases.append(case(f"dense, {shape_name}", layer, affine, torch.randn(shape), parameters))
    layer = {"dense": {"units": 1, "bias": False}}
    parameters = {"weight": 1e3 * torch.randn(4, 1)}
    cases.append(case("dense no bias", layer, affine, 1e6 * torch.randn(5, 4), parameters))
    return cases


def dropout() -> list[dict]:
    layer = {"dropout": {"rate": 0.4}}
    modes = {"training": False}
    evaluation = torch.nn.Dropout(0.4).eval()
    return [case("dropout, evaluation", layer, evaluation, torch.randn(5, 4), **modes)]


def normalizations() -> list[dict]:
    def layer_norm(epsilon: float) -> Callable:
        return lambda x, p: functional.layer_norm(x, (4,), p["scale"], p["shift"], epsilon)

    def rms_norm(epsilon: float) -> Callable:
        return lambda x, p: functional.rms_norm(x, (4,), p["scale"], epsilon)

    cases = []
    for shape_name, shape in SHAPES.items():
        for size in (1.0, 1e-3, 1e4):  # at 1e-3 epsilon counts
            scale, shift = torch.randn(4), torch.randn(4)
            name = f"{shape_name}, size {size:g}"
            inputs = size * (torch.randn(shape) + 0.5)
            both = {"scale": scale, "shift": shift}
            layer = {"layer_norm": {}}
            cases.append(case(f"layer_norm, {name}", layer, layer_norm(1e-5), inputs, both))
            layer = {"rms_norm": {}}
            cases.append(case(f"rms_norm, {name}", layer, rms_norm(1e-6), inputs, {"scale": scale}))
    inputs, both = torch.randn(5, 4), {"scale": torch.randn(4), "shift": torch.randn(4)}
    layer = {"layer_norm": {"epsilon": 0.3}}
    cases.append(case("layer_norm, epsilon", layer, layer_norm(0.3), inputs, both))
    layer = {"rms_norm": {"epsilon": 0.3}}
    cases.append(case("rms_norm, epsilon", layer, rms_norm(0.3), inputs, {"scale": both["scale"]}))
    return cases


def _batch_norm(x: Tensor, p: dict, mean: Tensor, variance: Tensor, training: bool, options: dict):
    """PyTorch has the features second, we have them last."""
    y = functional.batch_norm(
        x.movedim(-1, 1),
        mean,
        variance,
        p["scale"],
        p["shift"],
        training,
        options.get("momentum", 0.1),
        options.get("epsilon", 1e-5),
    )
    return y.movedim(1, -1)


def batch_norms() -> list[dict]:
    cases = []
    options = [{}, {"momentum": 0.3, "epsilon": 0.2}]
    for option in options:
        for training in (True, False):
            for shape_name, shape in SHAPES.items():
                if training and shape_name == "one row":  # refused by both
                    continue
                mean, variance = torch.randn(4), torch.rand(4) + 0.5
                before = {"running_mean": mean.tolist(), "running_variance": variance.tolist()}
                mode = "training" if training else "evaluation"
                found = case(
                    f"batch_norm{' options' if option else ''}, {mode}, {shape_name}",
                    {"batch_norm": option},
                    lambda x, p, m=mean, v=variance, t=training, o=option: _batch_norm(
                        x, p, m, v, t, o
                    ),
                    3 * torch.randn(shape) + 1,
                    {"scale": torch.randn(4), "shift": torch.randn(4)},
                    training=training,
                    state=before,
                )
                found["state_after"] = listed({"running_mean": mean, "running_variance": variance})
                cases.append(found)
    return cases


def running_statistics() -> dict:
    """Of a batch norm over several batches of different sizes, and what it then gives."""
    module = torch.nn.BatchNorm1d(3)
    batches = [2 * torch.randn(size, 3) - 1 for size in (8, 2, 5, 31, 7)]
    path = []
    for batch in batches:
        module(batch)
        path.append([module.running_mean.tolist(), module.running_var.tolist()])
    module.eval()
    inputs = torch.randn(4, 3)
    return listed({"path": path, "inputs": inputs, "outputs": module(inputs)}) | {
        "batches": [batch.tolist() for batch in batches]
    }


def residuals() -> list[dict]:
    def plain(x: Tensor, p: dict) -> Tensor:
        return x + torch.tanh(x @ p["dense_1.weight"] + p["dense_1.bias"])

    def projected(x: Tensor, p: dict) -> Tensor:
        inner = functional.silu(x @ p["dense_1.weight"] + p["dense_1.bias"])
        return x @ p["projection.weight"] + inner

    cases = []
    for shape_name, shape in SHAPES.items():
        layer = {"residual": {"layers": [{"dense": {"units": 4}}, {"tanh": {}}]}}
        parameters = {"dense_1.weight": torch.randn(4, 4), "dense_1.bias": torch.randn(4)}
        name = f"residual, {shape_name}"
        cases.append(case(name, layer, plain, torch.randn(shape), parameters))
        layers = [{"dense": {"units": 3}}, {"silu": {}}]
        layer = {"residual": {"layers": layers, "projection": True}}
        parameters = {
            "dense_1.weight": torch.randn(4, 3),
            "dense_1.bias": torch.randn(3),
            "projection.weight": torch.randn(4, 3),
        }
        name = f"residual projection, {shape_name}"
        cases.append(case(name, layer, projected, torch.randn(shape), parameters))
    return cases


def _loss_case(name: str, loss: dict, function: Callable, outputs: Tensor, targets: Tensor) -> dict:
    outputs = outputs.clone().requires_grad_()
    value = function(outputs, targets)
    value.backward()
    return listed(
        {
            "name": name,
            "loss": loss,
            "outputs": outputs,
            "targets": targets,
            "value": value.item(),
            "gradient": outputs.grad,
        }
    )


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def losses() -> list[dict]:
    cases = []
    shapes = SHAPES | {"one output": (6, 1)}
    elementwise = [
        ({"mse": {}}, functional.mse_loss),
        ({"mae": {}}, functional.l1_loss),
        ({"huber": {}}, functional.huber_loss),
        ({"huber": {"delta": 0.25}}, lambda y, t: functional.huber_loss(y, t, delta=0.25)),
    ]
    for shape_name, shape in shapes.items():
        for size in (1.0, 300.0):
            outputs = size * torch.randn(shape)
            name = f"{shape_name}, size {size:g}"
            if shape_name != "one output":
                targets = torch.randint(shape[-1], shape[:-1])
                loss = {"cross_entropy": {}}
                cases.append(
                    _loss_case(f"cross_entropy, {name}", loss, _cross_entropy, outputs, targets)
                )
            binary = functional.binary_cross_entropy_with_logits
            loss = {"binary_cross_entropy": {}}
            hard, soft = torch.randint(2, shape).double(), torch.rand(shape)
            cases.append(_loss_case(f"binary, {name}", loss, binary, outputs, hard))
            cases.append(_loss_case(f"binary soft, {name}", loss, binary, outputs, soft))
            for loss, function in elementwise:
                targets = torch.randn(shape)
                title = f"{_title(loss)}, {name}"
                cases.append(_loss_case(title, loss, function, outputs, targets))
    equal = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    for loss, function in elementwise:  # where |y - t| has its kink
        cases.append(_loss_case(f"{_title(loss)}, no error", loss, function, equal, equal))
    return cases


L2 = 0.2


def whole_network() -> dict:
    """Several layers, cross entropy and an l2 penalty over the weights, once forward and back."""
    weights = {
        "dense_1.weight": torch.randn(6, 8) / 2,
        "dense_1.bias": torch.randn(8),
        "batch_norm_1.scale": torch.randn(8),
        "batch_norm_1.shift": torch.randn(8),
        "residual_1.layer_norm_1.scale": torch.randn(8),
        "residual_1.layer_norm_1.shift": torch.randn(8),
        "residual_1.dense_1.weight": torch.randn(8, 8) / 2,
        "residual_1.dense_1.bias": torch.randn(8),
        "dense_2.weight": torch.randn(8, 5) / 2,
        "dense_2.bias": torch.randn(5),
    }
    p = {name: value.requires_grad_() for name, value in weights.items()}
    inputs = torch.randn(9, 6).requires_grad_()
    targets = torch.randint(5, (9,))
    x = inputs @ p["dense_1.weight"] + p["dense_1.bias"]
    norm = {"scale": p["batch_norm_1.scale"], "shift": p["batch_norm_1.shift"]}
    x = functional.gelu(_batch_norm(x, norm, torch.zeros(8), torch.ones(8), True, {}))
    y = functional.layer_norm(
        x, (8,), p["residual_1.layer_norm_1.scale"], p["residual_1.layer_norm_1.shift"]
    )
    x = x + torch.relu(y @ p["residual_1.dense_1.weight"] + p["residual_1.dense_1.bias"])
    outputs = x @ p["dense_2.weight"] + p["dense_2.bias"]
    penalty = sum((value**2).sum() for name, value in p.items() if name.endswith("weight"))
    loss = functional.cross_entropy(outputs, targets) + 0.5 * L2 * penalty
    loss.backward()
    return listed(
        {
            "layers": [
                {"dense": {"units": 8}},
                {"batch_norm": {}},
                {"gelu": {}},
                {
                    "residual": {
                        "layers": [{"layer_norm": {}}, {"dense": {"units": 8}}, {"relu": {}}]
                    }
                },
                {"dense": {"units": 5}},
            ],
            "l2": L2,
            "inputs": inputs,
            "targets": targets,
            "parameters": p,
            "outputs": outputs,
            "loss": loss.item(),
            "gradients": {name: value.grad for name, value in p.items()},
            "input_gradient": inputs.grad,
        }
    )


def main() -> None:
    cases = [*activations(), *dense(), *dropout(), *normalizations(), *batch_norms(), *residuals()]
    reference = {
        "origin": f"PyTorch {torch.__version__}, make_layer_reference.py",
        "layers": cases,
        "running_statistics": running_statistics(),
        "losses": losses(),
        "network": whole_network(),
    }
    text = json.dumps(reference, separators=(",", ":"), allow_nan=False).replace(
        '},{"name"', '},\n{"name"'
    )
    Path(__file__).with_name("layers.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
