"""The update that the gradients lead to, and the loss after it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from bpcli.network import Network
from bpcli.optimization import clip, make_optimizer, make_schedule
from bpcli.report.trace.document import After, Equation, Section
from bpcli.report.trace.example import SHOWN_WHOLE, Array, place, strongest
from bpcli.spec.model import Spec


def updates(
    spec: Spec, network: Network, inputs: Array, targets: Array, steps: int
) -> tuple[list[tuple[Array, After]], float]:
    """(the parameters, what they give) after step 1, each power of ten and the last; the rate."""
    parameters, gradients = network.parameters.trainable, network.gradients.trainable
    schedule = make_schedule(spec.schedule, spec.optimizer.learning_rate, steps)
    optimizer = make_optimizer(spec.optimizer, parameters.size, network.dtype)
    found: list[tuple[Array, After]] = []
    for step in range(1, steps + 1):
        network.loss_and_gradients(inputs, targets, training=False)
        clip(gradients, spec.training.clip_norm, spec.training.clip_value)
        optimizer.step(parameters, gradients, schedule.rate(step - 1))
        if step == steps or math.log10(step).is_integer():
            outputs = network.forward(inputs)
            value, _ = network.loss.forward(outputs, targets)
            loss = float(value) + network.penalty()
            point = After(step, loss, tuple(outputs.reshape(-1).tolist()))
            found.append((network.parameters.vector.copy(), point))
    return found, schedule.rate(0)


def update_sections(
    spec: Spec,
    network: Network,
    before: Array,
    gradients: Array,
    rate: float,
    first: tuple[Array, After],
    worked: Mapping[str, list[int]],
) -> Iterator[Section]:
    """Parameters before and after the first step, those whose gradient was ``worked`` out; plain
    SGD as the equation that it is."""
    after = first[0]
    plain = spec.optimizer.name == "sgd" and not getattr(spec.optimizer, "momentum", 0)
    plain = plain and spec.training.clip_norm is None and spec.training.clip_value is None
    for slot in network.parameters.layout.slots.values():
        if slot.start >= network.parameters.layout.trainable:
            continue
        here = slice(slot.start, slot.stop)
        kept = sorted(worked.get(slot.name) or strongest(np.abs(gradients[here]), SHOWN_WHOLE))
        equations = []
        for flat in kept:
            old, gradient = float(before[here][flat]), float(gradients[here][flat])
            new = float(after[here][flat])
            products = ((old,), (-rate, gradient)) if plain else ((old,), (new - old,))
            equations.append(Equation(f"[{place(flat, slot.shape)}]", new, products))
        size = slot.stop - slot.start
        yield Section(slot.name, "", tuple(equations), size - len(kept))
