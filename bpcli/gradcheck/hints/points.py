"""The right derivative, taken at the wrong point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpcli.gradcheck.functions import INPUTS
from bpcli.gradcheck.hints.case import Candidate, Case
from bpcli.network.layer import Array

_STEPS = 4  # of Newton's method


def at_other_inputs(case: Case) -> Iterator[Candidate]:
    """The cache holds something else than the inputs of this pass."""
    if case.function.opened:
        return
    shape, inputs = case.inputs.shape, case.inputs
    if case.before is not None and case.before.inputs.shape == shape:
        yield Candidate(
            "equals the gradient of another batch: the cache is stale or overwritten",
            case.at(inputs=case.before.inputs),
        )
    if inputs.dtype.kind != "f":
        return
    if case.outputs.shape == shape:
        yield Candidate(
            "the derivative is taken at the outputs instead of the inputs (wrong point)",
            case.at(inputs=case.outputs),
        )
    if case.previous is not None and case.previous.inputs.shape == shape:
        yield Candidate(
            f"the inputs of {case.previous.node.layer.path} are used instead of its outputs "
            "(pre-activation)",
            case.at(inputs=case.previous.inputs),
        )
    yield Candidate("the derivative is taken at minus the inputs (wrong point)",
                    case.at(inputs=-inputs))  # fmt: skip
    yield Candidate("the derivative is taken at 0 (wrong point)",
                    case.at(inputs=np.zeros(shape)))  # fmt: skip


def at_other_parameters(case: Case) -> Iterator[Candidate]:
    """A parameter is read in another form than in the forward pass."""
    if case.function.opened:
        return
    for name, value in case.parameters.items():
        if value.ndim >= 2 and value.shape[-1] == value.shape[-2]:
            moved = case.at(parameters={name: value.swapaxes(-1, -2)})
            yield Candidate(f"the {name} is used transposed", moved)
        if value.ndim >= 3:
            flipped = np.flip(value, tuple(range(value.ndim - 2)))
            yield Candidate(
                f"the {name} is used with its kernel flipped", case.at(parameters={name: flipped})
            )
        if value.ndim == 1:
            yield Candidate(
                f"the {name} is left out where the derivative is taken",
                case.at(parameters={name: np.zeros(value.shape)}),
            )
            if not np.allclose(value, 1):
                yield Candidate(
                    f"the {name} is left out", case.at(parameters={name: np.ones(value.shape)})
                )


def at_updated_parameters(case: Case) -> Iterator[Candidate]:
    """Weights that were already updated: θ - step · gradient, with whatever step."""
    if case.function.opened:
        return
    for name in case.parameters:
        gradient = case.examined.analytic.get(name)
        if gradient is None or name == case.target or not gradient.any():
            continue
        step = _fitted_step(case, name, gradient)
        if step:
            moved = case.at(parameters={name: case.parameters[name] - step * gradient})
            yield Candidate(
                f"the {name} is used after it was updated (a step of {step:.4g})",
                moved,
                f"updated {name}",
            )


def _fitted_step(case: Case, name: str, gradient: Array) -> float:
    """The step that explains the error best, by Newton's method on one number."""
    step, small = 0.0, 1e-4 * _size(case.parameters[name]) / _size(gradient)

    def at(step: float) -> Array:
        return case.at(parameters={name: case.parameters[name] - step * gradient})

    here = case.numeric
    for _ in range(_STEPS):
        slope = (at(step + small) - here) / small
        squares = float((slope * slope).sum())
        if squares == 0:
            return 0.0
        step += float(((case.analytic - here) * slope).sum()) / squares
        here = at(step)
    return step


def _size(values: Array) -> float:
    return float(np.abs(values).max()) or 1.0


def arriving_ignored(case: Case) -> Iterator[Candidate]:
    """As if the loss were the sum of the layer's outputs."""
    yield Candidate("the gradient that arrives is not used", case.at(v=np.ones(case.v.shape)))
    if case.v.ndim > 1:
        flipped = case.at(v=case.v[::-1])
        yield Candidate("the gradient that arrives is read in another order of examples", flipped)


def elements_alone(case: Case) -> Iterator[Candidate]:
    """∂y/∂x of each element by itself, as if the others did not matter: softmax, norms."""
    if case.target != INPUTS or case.inputs.shape != case.outputs.shape:
        return
    diagonal = _diagonal(case)
    if diagonal is not None:
        yield Candidate(
            "treated as if each element depended on itself alone (elementwise: the cross terms "
            "are missing)",
            diagonal * case.v,
        )


def _diagonal(case: Case) -> Array | None:
    contributions = case.contributions
    if contributions is None:
        return None
    diagonal = np.zeros(case.inputs.shape)
    v = np.where(case.v != 0, case.v, 1)
    for place, products in contributions:
        diagonal[place] = (products / v)[place]
    return diagonal
