"""What to try where training stopped."""

from __future__ import annotations

from textwrap import wrap

from bpcli.report.document import Piece, Span
from bpcli.spec.model import Spec
from bpcli.training import NonFinite


def non_finite_advice(spec: Spec, found: NonFinite) -> list[Piece | tuple[Piece, ...]]:
    """Where the first value that is not finite arose, and what would keep it from arising."""
    at_once = found.step == 1 and found.quantity in ("activation", "loss", "gradient")
    return [
        (Span("Stopped", "bad"), ", the last checkpoint before it is kept"),
        *wrap(found.message, 80, initial_indent="  ", subsequent_indent="  "),
        "  to get past it, try",
        *(f"    {line}" for line in (_at_the_start(spec) if at_once else _while_learning(spec))),
    ]


def _while_learning(spec: Spec) -> list[str]:
    optimizer = spec.optimizer
    path = f"optimizer.{optimizer.name}.learning_rate"
    rate = optimizer.learning_rate
    advice = [f"--set {path}={rate / 10:.4g}     now {rate:.4g}"]
    if spec.training.clip_norm is None:
        advice.append("--set training.clip_norm=1     cuts gradients that are too large")
    return advice


def _at_the_start(spec: Spec) -> list[str]:
    """Nothing has been learned yet: it is the inputs or the initial weights."""
    advice = ["smaller initial weights: `init: he_normal` or `glorot_uniform` in each layer"]
    if spec.data.scale == "none":
        advice.insert(0, "--set data.scale=standard     the inputs are not scaled")
    return advice
