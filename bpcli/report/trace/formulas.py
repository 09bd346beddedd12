"""What every layer computes, and how its gradient leaves, in one line each."""

from __future__ import annotations

from bpcli.network.layer import Layer

FORWARD = {
    "dense": "z = x W + b",
    "conv1d": "z = Σ window of x × kernel + b",
    "conv2d": "z = Σ window of x × kernel + b",
    "max_pool1d": "y = the largest of the window",
    "max_pool2d": "y = the largest of the window",
    "avg_pool1d": "y = mean of the window",
    "avg_pool2d": "y = mean of the window",
    "global_avg_pool1d": "y = mean over all places",
    "global_avg_pool2d": "y = mean over all places",
    "flatten": "y = x with all axes in one",
    "dropout": "y = x: in evaluation no unit is silenced",
    "batch_norm": "y = scale × (x - running mean) / √(running variance + ε) + shift",
    "layer_norm": "y = scale × (x - mean) / √(variance + ε) + shift",
    "rms_norm": "y = scale × x / √(mean of x² + ε)",
    "embedding": "y = E[code], a row of E",
    "position": "y = x + p",
    "attention": "y = softmax(Q Kᵀ / √d) V W_O + b_O",
    "rnn": "hₜ = φ(xₜ W + hₜ₋₁ U + b)",
    "lstm": "[i f g o] of xₜ W + hₜ₋₁ U + b; cₜ = f cₜ₋₁ + i g; hₜ = o tanh cₜ",
    "gru": "[r z n] of xₜ W + b and hₜ₋₁ U + b_U; hₜ = (1 - z) n + z hₜ₋₁",
    "residual": "y = x + f(x)",
    "identity": "y = x",
    "relu": "y = max(x, 0)",
    "leaky_relu": "y = x, or slope × x below 0",
    "elu": "y = x, or α (eˣ - 1) below 0",
    "selu": "y = λ x, or λ α (eˣ - 1) below 0",
    "tanh": "y = tanh x",
    "sigmoid": "y = 1 / (1 + e⁻ˣ)",
    "softplus": "y = ln(1 + eˣ)",
    "exponential": "y = eˣ",
    "silu": "y = x sigmoid(x)",
    "gelu": "y = x Φ(x), Φ of the normal distribution",
    "softmax": "y = eˣ / Σ eˣ",
}

LOSSES = {
    "mse": "L = mean of (y - t)²",
    "mae": "L = mean of |y - t|",
    "cross_entropy": "L = -ln p[t], p = softmax(z)",
    "binary_cross_entropy": "L = -t ln p - (1 - t) ln(1 - p), p = sigmoid(z)",
}

BY_INPUTS = "∂L/∂x = Σ gradient that arrives × ∂y/∂x"
BY_PARAMETERS = "∂L/∂θ = Σ gradient that arrives × ∂y/∂θ"
_LEAVING = {
    "flatten": "∂L/∂x = gradient that arrives, in the shape of x",
    "dropout": "∂L/∂x = gradient that arrives",
    "max_pool1d": "the gradient goes to the largest of the window, the others get 0",
    "max_pool2d": "the gradient goes to the largest of the window, the others get 0",
    "position": "∂L/∂x = gradient that arrives",
    "residual": "∂L/∂x = gradient that arrives + what comes back through f",
}


def forward_formula(layer: Layer) -> str:
    """The layer's formula; of a layer of the user's the first line of its docstring."""
    if layer.name == "residual" and getattr(layer, "projection", False):
        return "y = x P + f(x)"
    if layer.name in FORWARD:
        return FORWARD[layer.name]
    written = (type(layer).__doc__ or "").strip()
    if written.startswith(f"{type(layer).__name__}("):  # made by @dataclass
        return ""
    return written.split("\n")[0].rstrip(".:;")


def leaving_formula(layer: Layer) -> str:
    if layer.name == "residual" and getattr(layer, "projection", False):
        return "∂L/∂x = what comes back through P + what comes back through f"
    return _LEAVING.get(layer.name, BY_INPUTS)
