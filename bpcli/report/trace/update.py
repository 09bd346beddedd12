"""The update that the gradients lead to, and the loss after it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bpcli.network import Network
from bpcli.network.parameters import Slot
from bpcli.optimization import clip, make_optimizer, make_schedule
from bpcli.report.trace.document import After, Divisor, Equation, Section
from bpcli.report.trace.example import Array, place
from bpcli.report.trace.rules import Rule, rule
from bpcli.report.trace.selection import Selection
from bpcli.spec.model import Spec

_IN_FULL = 6  # arrays of parameters: of more only one parameter's step is shown in full
_AGREE = 1e-9  # what an optimizer's step and its formula may differ by, relative to the numbers


@dataclass
class Step:
    """One update: what went in and what came out, of all parameters or of one."""

    number: int
    rate: float
    before: Array
    raw: Array  # the gradients before clipping
    gradients: Array
    after: Array


@dataclass
class Updates:
    """The first step of all parameters, every step of the one that is followed."""

    first: Step
    followed: list[Step] = field(default_factory=list)
    after: list[After] = field(default_factory=list)


def updates(
    spec: Spec, network: Network, inputs: Array, targets: Array, steps: int, follow: int
) -> Updates:
    """Changes the network by ``steps`` updates on the example; ``follow`` is a flat index."""
    parameters, gradients = network.parameters.trainable, network.gradients.trainable
    schedule = make_schedule(spec.schedule, spec.optimizer.learning_rate, steps)
    optimizer = make_optimizer(spec.optimizer, parameters.size, network.dtype)
    found: Updates | None = None
    for number in range(1, steps + 1):
        network.loss_and_gradients(inputs, targets, training=False)
        part = slice(None) if found is None else slice(follow, follow + 1)
        before, raw = parameters[part].copy(), gradients[part].copy()
        clip(gradients, spec.training.clip_norm, spec.training.clip_value)
        rate = schedule.rate(number - 1)
        optimizer.step(parameters, gradients, rate)
        step = Step(number, rate, before, raw, gradients[part].copy(), parameters[part].copy())
        found = found or Updates(step)
        if number > 1:
            found.followed.append(step)
        if number == steps or math.log10(number).is_integer():
            found.after.append(_after(network, inputs, targets, number))
    assert found is not None
    return found


def _after(network: Network, inputs: Array, targets: Array, number: int) -> After:
    outputs = network.forward(inputs)
    value, _ = network.loss.forward(outputs, targets)
    return After(number, float(value) + network.penalty(), tuple(outputs.reshape(-1).tolist()))


def update_sections(
    spec: Spec, first: Step, kept: Mapping[Slot, list[int]], selection: Selection
) -> Iterator[Section]:
    """The first step of the parameters ``kept``: in full of the one with the largest gradient (of
    few arrays, of each), of the others the last equation."""
    formulas = rule(spec.optimizer)
    if type(formulas) is not Rule:  # plain SGD speaks for itself
        yield Section(spec.optimizer.name, formulas.formula, tuple(formulas.constants))
    yield from _clipping(spec, first)
    slots = {slot.name: slot for slot in kept}
    shown = [slot for name, slot in slots.items() if selection.layer(name) in selection.shown]
    alone = [{slot: kept[slot]} for slot in shown]
    groups = alone if len(shown) <= _IN_FULL else [{slot: kept[slot] for slot in shown}]
    full = {_largest(first.raw, group) for group in groups}
    for whole, names in selection.runs(slots):
        if whole:
            yield from (_array(spec, first, slots[name], kept[slots[name]], full) for name in names)
        else:
            yield selection.gap(names)


def _array(
    spec: Spec, first: Step, slot: Slot, flats: list[int], full: Collection[tuple[Slot, int]]
) -> Section:
    equations: list[Equation] = []
    for flat in flats:
        here = f"[{place(flat, slot.shape)}]"
        worked = _work(rule(spec.optimizer), first, slot.start + flat, here)
        whole = (slot, flat) in full and first.raw[slot.start + flat]
        equations += worked if whole else worked[-1:]
    return Section(slot.name, "", tuple(equations), slot.stop - slot.start - len(flats))


def followed(
    gradients: Array, kept: Mapping[Slot, list[int]], selection: Selection
) -> tuple[Slot, int]:
    """The parameter whose moments are shown on and on: of those shown the one with the largest
    gradient."""
    shown = {slot: kept[slot] for slot in kept if selection.layer(slot.name) in selection.shown}
    return _largest(gradients, shown)


def _largest(gradients: Array, kept: Mapping[Slot, list[int]]) -> tuple[Slot, int]:
    every = [(slot, flat) for slot, flats in kept.items() for flat in flats]
    nothing = (Slot("", (1,), 0), 0)  # where all are frozen
    return max(every, key=lambda one: abs(gradients[one[0].start + one[1]]), default=nothing)


def moment_sections(spec: Spec, steps: Updates, slot: Slot, flat: int) -> Iterator[Section]:
    """The followed parameter at the steps after the first, while they are few or powers of ten."""
    formulas = rule(spec.optimizer)
    if type(formulas) is Rule or not slot.name:
        return
    here, last = f"[{place(flat, slot.shape)}]", len(steps.followed) + 1
    _work(formulas, steps.first, slot.start + flat, here)
    for step in steps.followed:
        equations = _work(formulas, step, 0, here)
        if step.number <= 3 or step.number == last or math.log10(step.number).is_integer():
            title = f"step {step.number:,}, learning rate {step.rate:g}"
            yield Section(f"{slot.name}{here}", title, tuple(equations))


def _work(formulas: Rule, step: Step, index: int, here: str) -> list[Equation]:
    """Equations of one parameter; only where it went if the formula leads elsewhere."""
    theta, new = float(step.before[index]), float(step.after[index])
    raw, gradient = float(step.raw[index]), float(step.gradients[index])
    *working, last = formulas.step(here, theta, gradient, step.rate)
    if not abs(last.value - new) <= _AGREE * math.fsum(map(abs, (theta, new, *last.terms))):
        return [Equation(last.left, new, ((theta,), (new - theta,)))]
    if gradient != raw:
        working.insert(0, Equation(f"g{here}", gradient, ((raw, gradient / raw),)))
    return [*working, replace(last, value=new)]


def _clipping(spec: Spec, first: Step) -> Iterator[Section]:
    """What the gradients were shortened by."""
    norm, most = float(np.linalg.norm(first.raw)), spec.training.clip_norm
    if most is not None:
        equations = [Equation("‖g‖", norm)]
        if norm > most:
            equations.append(
                Equation("clip_norm / ‖g‖", most / norm, ((most,),), divisor=Divisor(norm))
            )
        formula = f"g = g clip_norm / ‖g‖ where ‖g‖ is above clip_norm, {most:g}"
        yield Section("clip_norm", formula, tuple(equations))
    if spec.training.clip_value is not None:
        formula = f"g no further from 0 than {spec.training.clip_value:g}"
        yield Section("clip_value", formula, ())
