"""Optimizers, learning-rate schedules and clipping: all work on one flat vector, in place."""

from __future__ import annotations

from numpy.typing import DTypeLike

from bpcli.optimization.adagrad import AdaGrad
from bpcli.optimization.adam import Adam, AdamW
from bpcli.optimization.clipping import clip, norm
from bpcli.optimization.optimizer import Optimizer
from bpcli.optimization.rmsprop import RmsProp
from bpcli.optimization.schedules import Schedule, make_schedule
from bpcli.optimization.sgd import Sgd
from bpcli.spec import optimization as spec

__all__ = ["Optimizer", "Schedule", "clip", "make_optimizer", "make_schedule", "norm"]

_OPTIMIZERS: dict[type[spec.Optimizer], type[Optimizer]] = {
    spec.Sgd: Sgd,
    spec.RmsProp: RmsProp,
    spec.AdaGrad: AdaGrad,
    spec.Adam: Adam,
    spec.AdamW: AdamW,
}


def make_optimizer(options: spec.Optimizer, size: int, dtype: DTypeLike) -> Optimizer:
    """The optimizer with these options for a vector of that size and dtype."""
    return _OPTIMIZERS[type(options)](options, size, dtype)
