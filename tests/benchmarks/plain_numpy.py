"""A training step written out for dense networks alone, every buffer made once: a reference that
shows what a general program pays for being one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from workloads import LEARNING_RATE, Workload


def plain_step(workload: Workload) -> Callable[[np.ndarray, np.ndarray], float]:
    """``step(inputs, targets) -> loss``."""
    sizes, batch = workload.sizes, workload.batch_size
    shapes = list(itertools.pairwise(sizes))
    count = sum((inputs + 1) * units for inputs, units in shapes)
    vector, gradient = np.zeros(count, "f"), np.empty(count, "f")
    weights, biases = _views(vector, shapes)
    weight_gradients, bias_gradients = _views(gradient, shapes)
    random = np.random.default_rng(0)
    for weight in weights:
        weight[...] = random.standard_normal(weight.shape) * math.sqrt(2 / len(weight))
    outputs = [np.empty((batch, units), "f") for units in sizes[1:]]
    deltas = [np.empty((batch, units), "f") for units in sizes[1:]]
    masks = [np.empty((batch, units), bool) for units in sizes[1:]]
    rows, ones, last = np.arange(batch), np.ones(batch, "f"), len(weights) - 1
    update = _adam(vector, gradient)

    def loss_and_delta(logits: np.ndarray, targets: np.ndarray) -> float:
        if workload.binary:
            margin = logits[:, 0]
            loss = float((np.logaddexp(0, margin) - targets * margin).mean())
            logits[:, 0] = 1 / (1 + np.exp(-margin)) - targets
        else:
            logits -= logits.max(1, keepdims=True)
            np.exp(logits, out=logits)
            logits /= logits.sum(1, keepdims=True)
            loss = -float(np.log(logits[rows, targets]).mean())
            logits[rows, targets] -= 1
        logits *= 1 / batch
        return loss

    def pass_activation(layer: int) -> None:
        values, delta = outputs[layer], deltas[layer]
        if workload.activation == "relu":
            np.multiply(delta, np.greater(values, 0, out=masks[layer]), out=delta)
        else:
            delta *= 1 - values * values

    def step(inputs: np.ndarray, targets: np.ndarray) -> float:
        values = inputs
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            values = np.matmul(values, weight, out=outputs[layer])
            values += bias
            if layer < last and workload.activation == "relu":
                np.maximum(values, 0, out=values)
            elif layer < last:
                np.tanh(values, out=values)
        loss = loss_and_delta(values, targets)
        delta = values
        for layer in range(last, -1, -1):
            below = outputs[layer - 1] if layer else inputs
            np.matmul(below.T, delta, out=weight_gradients[layer])
            np.matmul(ones, delta, out=bias_gradients[layer])
            if layer:
                delta = np.matmul(delta, weights[layer].T, out=deltas[layer - 1])
                pass_activation(layer - 1)
        update()
        return loss

    return step


def _adam(vector: np.ndarray, gradient: np.ndarray, block: int = 1 << 16) -> Callable[[], None]:
    mean, square = np.zeros_like(vector), np.zeros_like(vector)
    scratch = np.empty(min(vector.size, block), "f")
    steps = 0

    def update() -> None:
        nonlocal steps
        steps += 1
        correction = math.sqrt(1 - 0.999**steps)
        rate = LEARNING_RATE * correction / (1 - 0.9**steps)
        for start in range(0, vector.size, block):
            part = slice(start, start + block)
            g, m, s = gradient[part], mean[part], square[part]
            out = scratch[: g.size]
            m *= 0.9
            m += np.multiply(g, 0.1, out=out)
            s *= 0.999
            np.multiply(g, g, out=out)
            out *= 0.001
            s += out
            np.sqrt(s, out=out)
            out += 1e-8 * correction
            np.divide(m, out, out=out)
            out *= rate
            vector[part] -= out

    return update


def _views(vector: np.ndarray, shapes: list) -> tuple[list, list]:
    weights, biases, start = [], [], 0
    for inputs, units in shapes:
        middle = start + inputs * units
        weights.append(vector[start:middle].reshape(inputs, units))
        biases.append(vector[middle : middle + units])
        start = middle + units
    return weights, biases
