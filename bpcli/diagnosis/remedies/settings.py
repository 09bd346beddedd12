"""Single settings: clipping, scaling of inputs and targets, the optimizer, the output layer."""

from __future__ import annotations

from bpcli.diagnosis.remedies.outline import Outline
from bpcli.diagnosis.remedies.treatment import Prescription, Treatment
from bpcli.spec.changes import Change

_TAKES_LOGITS = frozenset(("cross_entropy", "binary_cross_entropy"))
_NUMERIC = frozenset(("mse", "mae", "huber"))


def clip(outline: Outline) -> Prescription | None:
    """‖g‖ at most 1: one steep place throws the weights no further (Pascanu et al. 2013)."""
    now = outline.spec.training.clip_norm
    if now is not None and now <= 1:
        return None
    return "clip gradients to norm 1", [Change("set", "training.clip_norm", 1.0)]


def standard(outline: Outline) -> Prescription | None:
    """Inputs of mean 0 and variance 1, which every initialization takes for granted."""
    return _scaled(outline, "standard")


def minmax(outline: Outline) -> Prescription | None:
    return _scaled(outline, "minmax")


def _scaled(outline: Outline, how: str) -> Prescription | None:
    codes = any(each.name == "embedding" for each in outline.layers)
    if codes or outline.spec.data.scale == how:
        return None
    return f"scale the inputs: {how}", [Change("set", "data.scale", how)]


def unscaled(outline: Outline) -> Prescription | None:
    """The inputs as the data hold them, where the spec multiplies them by a number."""
    if isinstance(outline.spec.data.scale, str):
        return None
    return "leave the inputs as they are", [Change("set", "data.scale", "none")]


def target_scale(outline: Outline) -> Prescription | None:
    if outline.spec.loss.name not in _NUMERIC or outline.spec.data.target_scale == "standard":
        return None
    return "scale the targets: standard", [Change("set", "data.target_scale", "standard")]


def logits(outline: Outline) -> Prescription | None:
    """The last softmax or sigmoid goes where the loss has one of its own; before a loss on
    numbers every activation goes that cannot reach them."""
    loss = outline.spec.loss.name
    wrong = (
        {"softmax", "sigmoid"} if loss in _TAKES_LOGITS else {"softmax", "sigmoid", "tanh", "relu"}
    )
    last = [each for each in outline.after_output() if each.name in wrong]
    changes = [Change("remove", each.place) for each in reversed(last)]
    if not changes:
        return None
    names = ", ".join(each.name for each in last)
    reason = "has its own" if loss in _TAKES_LOGITS else "needs all numbers as outputs"
    return f"no {names} at the end: {loss} {reason}", changes


def adam(outline: Outline) -> Prescription | None:
    """Steps whose size does not depend on that of the gradient."""
    if outline.spec.optimizer.name in ("adam", "adamw"):
        return None
    name = outline.spec.optimizer.name
    return f"{name} -> adam", [Change("set", "optimizer", {"adam": {"learning_rate": 0.001}})]


CLIP = Treatment("clipping", 1, clip)
STANDARD_INPUTS = Treatment("standard inputs", 1, standard)
MINMAX_INPUTS = Treatment("minmax inputs", 1, minmax)
INPUTS_AS_THEY_ARE = Treatment("inputs as they are", 1, unscaled)
STANDARD_TARGETS = Treatment("standard targets", 1, target_scale)
LOGITS = Treatment("logits", 1, logits)
ADAM = Treatment("adam", 2, adam)
