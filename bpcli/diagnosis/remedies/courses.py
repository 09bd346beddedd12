"""Which treatments for which finding: single ones and combinations, most promising first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.remedies.activations import ELU, LEAKY_RELU, RELU, TANH, TANH_FOR_ALL
from bpcli.diagnosis.remedies.biases import ZERO_BIAS
from bpcli.diagnosis.remedies.initialization import CRITICAL_INIT
from bpcli.diagnosis.remedies.learning_rates import HIGHER, LOWER, USUAL_RATE, at
from bpcli.diagnosis.remedies.normalization import (
    LAYER_FOR_BATCH_NORM,
    LAYER_NORM,
    NO_BATCH_NORM,
)
from bpcli.diagnosis.remedies.recurrence import GRU, IRNN, LSTM, ORTHOGONAL_RECURRENCE
from bpcli.diagnosis.remedies.residuals import RESIDUAL
from bpcli.diagnosis.remedies.settings import (
    ADAM,
    CLIP,
    INPUTS_AS_THEY_ARE,
    LOGITS,
    MINMAX_INPUTS,
    STANDARD_INPUTS,
    STANDARD_TARGETS,
)
from bpcli.diagnosis.remedies.treatment import Treatment
from bpcli.diagnosis.remedies.width import WIDER

Course = tuple[Treatment, ...]  # one after the other; those that do not apply are left out

_START: tuple[Course, ...] = ((CRITICAL_INIT,), (ZERO_BIAS,), (ORTHOGONAL_RECURRENCE,))
_BENT: tuple[Course, ...] = ((TANH, CRITICAL_INIT), (RELU, CRITICAL_INIT), (ELU, CRITICAL_INIT))
_DEEP: tuple[Course, ...] = (
    (RESIDUAL, CRITICAL_INIT),
    (LAYER_NORM, CRITICAL_INIT),
    (LAYER_FOR_BATCH_NORM,),
    (NO_BATCH_NORM, CRITICAL_INIT),
)
_THROUGH_TIME: tuple[Course, ...] = ((GRU,), (LSTM,), (IRNN,))
_INPUTS: tuple[Course, ...] = ((STANDARD_INPUTS,), (INPUTS_AS_THEY_ARE,), (MINMAX_INPUTS,))
_LOWER: tuple[Course, ...] = tuple((each,) for each in (USUAL_RATE, *LOWER))
_HIGHER: tuple[Course, ...] = tuple((each,) for each in (USUAL_RATE, *HIGHER))
_ALIVE: tuple[Course, ...] = (
    (LEAKY_RELU, CRITICAL_INIT),
    (TANH_FOR_ALL, CRITICAL_INIT),
    (WIDER, CRITICAL_INIT),
)

COURSES: dict[str, tuple[Course, ...]] = {
    "vanishing-gradient": (*_START, *_BENT, *_THROUGH_TIME, *_DEEP, *_ALIVE),
    "vanishing-activation": (*_START, *_BENT, *_DEEP, *_ALIVE),
    "exploding-gradient": (*_START, *_BENT, *_INPUTS, *_THROUGH_TIME, (CLIP,), *_DEEP, *_LOWER),
    "exploding-activation": (*_START, *_BENT, *_INPUTS, (CLIP,), *_DEEP, *_LOWER),
    "dead-units": ((ZERO_BIAS,), (CRITICAL_INIT,), *_INPUTS, *_LOWER, *_ALIVE, *_DEEP),
    "saturated-units": (*_START, *_INPUTS, *_LOWER, *_BENT, *_THROUGH_TIME, *_DEEP),
    "symmetric-units": (*_START, *_BENT),
    "non-finite": (*_START, *_INPUTS, *_LOWER, *_BENT, (CLIP,), *_DEEP),
    "learning-rate-too-high": (*_LOWER, (CLIP,), *_INPUTS, *_START),
    "learning-rate-too-low": (*_HIGHER, (ADAM,)),
    "unscaled-inputs": (*_INPUTS, (STANDARD_TARGETS,)),
    "output-loss-mismatch": ((LOGITS,), (STANDARD_TARGETS,)),
    "rank-collapse": (*_START, *_BENT, *_DEEP, *_ALIVE),
}
BY_CAUSE: dict[str, tuple[Course, ...]] = {
    "saturating-activation": _BENT,
    "large-bias": ((ZERO_BIAS,),),
    "negative-bias": ((ZERO_BIAS,),),
    "no-skip-with-batch-norm": _DEEP,
    "inputs-unscaled": _INPUTS,
    "small-init": _START,
    "large-init": _START,
    "narrow-layers": _ALIVE,
}
EVERYTHING: tuple[Course, ...] = tuple(
    dict.fromkeys(
        (*_START, *_INPUTS, (LOGITS,), *_BENT, *_THROUGH_TIME, *_LOWER, *_HIGHER, *_ALIVE, *_DEEP,
         (CLIP,), (ADAM,), (STANDARD_TARGETS,))
    )
)  # fmt: skip


def courses_for(findings: Iterable[Finding]) -> tuple[Course, ...]:
    """Those for the first finding, and then those of the others that it has not."""
    wanted = [course for finding in findings for course in _courses_of(finding)]
    return tuple(dict.fromkeys(wanted))


def _courses_of(finding: Finding) -> Iterator[Course]:
    """What an experiment has shown to work, what suits the cause, and what suits the finding."""
    rate = finding.evidence.get("better_learning_rate")
    if rate is not None:
        yield (at(rate),)
    yield from BY_CAUSE.get(finding.cause or "", ())
    yield from COURSES.get(finding.name, ())
