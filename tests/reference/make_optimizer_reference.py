"""Records what PyTorch's optimizers and schedules do: python make_optimizer_reference.py

Writes optimizers.json beside itself. Parameters start at `start`; the gradient of step t is
`gradient(t)`, so both sides are given the same numbers. All in float64.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

START = [0.5, -1.25, 2.0, 1e-3, -3e-4]
STEPS = 12
RATE = 0.05

CASES = {
    "sgd": ("sgd", {}, torch.optim.SGD, {}),
    "sgd_momentum": ("sgd", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    "sgd_nesterov": (
        "sgd",
        {"momentum": 0.8, "nesterov": True},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True},
    ),
    "rmsprop": ("rmsprop", {}, torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-8}),
    "rmsprop_momentum": (
        "rmsprop",
        {"decay": 0.95, "epsilon": 1e-3, "momentum": 0.9},
        torch.optim.RMSprop,
        {"alpha": 0.95, "eps": 1e-3, "momentum": 0.9},
    ),
    "adagrad": ("adagrad", {}, torch.optim.Adagrad, {"eps": 1e-10}),
    "adam": ("adam", {}, torch.optim.Adam, {}),
    "adam_options": (
        "adam",
        {"beta1": 0.7, "beta2": 0.95, "epsilon": 1e-2},
        torch.optim.Adam,
        {"betas": (0.7, 0.95), "eps": 1e-2},
    ),
    "adamw": ("adamw", {}, torch.optim.AdamW, {}),
    "adamw_decay": ("adamw", {"weight_decay": 0.3}, torch.optim.AdamW, {"weight_decay": 0.3}),
}


def gradient(step: int) -> list[float]:
    """Of very different sizes, one of them exactly zero at the start."""
    return [
        math.sin(1.0 + step),
        100 * math.cos(0.5 * step),
        1e-6 * (step - 5),
        0.0 if step < 3 else 1e-9,
        math.exp(-step),
    ]


def run(optimizer_class: type, options: dict) -> list[list[float]]:
    parameters = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_class([parameters], lr=RATE, **options)
    path = []
    for step in range(STEPS):
        parameters.grad = torch.tensor(gradient(step), dtype=torch.float64)
        optimizer.step()
        path.append(parameters.detach().tolist())
    return path


def rates(make_scheduler, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = make_scheduler(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def plateau_rates(losses: list[float]) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, threshold=0.01
    )
    found = []
    for loss in losses:
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def main() -> None:
    schedulers = torch.optim.lr_scheduler
    losses = [3, 2, 1.99, 1.98, 1.985, 1.5, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 1.4, 1.4, 1.39, 1.4, 0.0]
    reference = {
        "origin": f"PyTorch {torch.__version__}, make_optimizer_reference.py",
        "start": START,
        "learning_rate": RATE,
        "gradients": [gradient(step) for step in range(STEPS)],
        "optimizers": {
            case: {"name": name, "options": options, "path": run(kind, torch_options)}
            for case, (name, options, kind, torch_options) in CASES.items()
        },
        "schedules": {
            "step": rates(lambda o: schedulers.StepLR(o, step_size=7, gamma=0.3), 30),
            "exponential": rates(lambda o: schedulers.ExponentialLR(o, gamma=0.97), 30),
            "cosine": rates(lambda o: schedulers.CosineAnnealingLR(o, T_max=29, eta_min=0.005), 30),
            "linear": rates(
                lambda o: schedulers.LinearLR(o, start_factor=1.0, end_factor=0.2, total_iters=29),
                30,
            ),
            "one_cycle": rates(
                lambda o: schedulers.OneCycleLR(
                    o, max_lr=RATE, total_steps=31, pct_start=0.3, cycle_momentum=False
                ),
                30,
            ),
        },
        "plateau": {"losses": losses, "rates": plateau_rates(losses)},
    }
    path = Path(__file__).with_name("optimizers.json")
    path.write_text(json.dumps(reference, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
