"""Weights that start at criticality: σ_w² such that χ₁ = 1 for the activation that follows."""

from __future__ import annotations

import math
from typing import Any

from bpcli.diagnosis.expectation import Activation, moments
from bpcli.diagnosis.initial_moments import initial_moments
from bpcli.diagnosis.remedies.outline import Outline, Written
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.diagnosis.theory import critical_weight_variance, preserving_weight_variance
from bpcli.network.initializers import fans
from bpcli.network.layer import Layer
from bpcli.network.parameters import flatten
from bpcli.spec.changes import Change

_CLOSE = (0.9, 1.1)  # of the variance that is wanted: as good
_SANE = (0.1, 6.0)  # of an output layer or a branch, whose start is a matter of taste
_LARGEST = 16.0  # of σ_w²: beyond, units are pressed into their bounds, whatever χ₁ says
_NAMED = {2.0: "he_normal", 1.0: "lecun_normal"}


def critical(outline: Outline) -> Prescription | None:
    """Each hidden layer at the σ_w² of its activation; others only if they are far off.

    tanh and linear layers that do not widen get orthogonal weights: with all singular values 1
    they are critical in every direction, not only on average (Saxe et al. 2014, Pennington et al.
    2017).
    """
    changes, said = [], ""
    for written in outline.layers:
        if written.name not in ("dense", "conv1d", "conv2d"):
            continue
        followed_by = None if written is outline.output else outline.activation_after(written)
        wanted = weight_variance(followed_by)
        free = written is outline.output or written.in_residual or outline.is_normed(written)
        variance = 1.0 if wanted is None else wanted
        if not _is_off(written, variance, free or wanted is None):
            continue
        init = _init(written, variance, followed_by)
        changes.append(Change("set", f"{written.options}.init", init))
        said = said or _describe(init, followed_by)
    return (said, changes) if changes else None


def weight_variance(activation: Layer | None) -> float | None:
    """σ_w² = fan_in Var[W] with χ₁ = 1 or near it; None where none makes sense."""
    if activation is None or activation.name in ("identity", "tanh", "selu"):
        return 1.0
    if activation.name in ("relu", "leaky_relu"):  # scale-free: exact without quadrature
        return 2 / (1 + getattr(activation, "slope", 0.0) ** 2)
    if activation.name == "softmax":  # does not act on each unit alone
        return None
    measured = Activation(activation)
    preserving = preserving_weight_variance(measured)
    if preserving is not None:
        chi = preserving * moments(measured, 1.0).slope_square
        if _CLOSE[0] < chi < _CLOSE[1]:  # ELU, GELU and their like: signals stay, gradients nearly
            return preserving
    critical = critical_weight_variance(measured)
    return critical if critical is not None and critical <= _LARGEST else None


def _is_off(written: Written, variance: float, free: bool) -> bool:
    shape = _shape(written)
    now = initial_moments(written.option("init"), shape)
    gain = fans(shape)[0] * now.square / variance
    if abs(now.mean) > 0.1 * math.sqrt(now.square):  # alike units stay alike
        return True
    low, high = _SANE if free else _CLOSE
    if free and gain == 0:
        return False  # an output layer or a branch that starts at 0 trains well
    return not (low < gain < high or (now.isometric and gain <= high))


def _shape(written: Written) -> tuple[int, ...]:
    shape, _ = flatten(written.layer.parameters(written.input_shape))["weight"]
    return tuple(shape)


def _init(written: Written, variance: float, followed_by: Layer | None) -> Any:
    shape = _shape(written)
    linear = followed_by is None or followed_by.name in ("tanh", "identity")
    if variance == 1.0 and linear and len(shape) == 2 and shape[0] >= shape[1] > 1:
        return "orthogonal"
    for known, name in _NAMED.items():
        if abs(variance / known - 1) < 0.01:
            return name
    return {"variance_scaling": {"scale": round(variance, 3)}}


def _describe(init: Any, followed_by: Layer | None) -> str:
    name = init if isinstance(init, str) else f"variance {init['variance_scaling']['scale']}/fan_in"
    after = f" for {followed_by.name}" if followed_by else ""
    return f"start the weights at criticality{after}: init {name}"


CRITICAL_INIT = Treatment("critical initialization", 1, critical)
