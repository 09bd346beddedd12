"""Facts about the inputs and outputs of a spec that need no training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpcli.data import Part
from bpcli.diagnosis.reference import chance_outputs, constant_loss
from bpcli.network import Network
from bpcli.network.losses import make_loss
from bpcli.spec.model import Spec

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Inputs:
    """The size of the inputs: their root mean square, and how the deviations of the columns
    compare; codes for an embedding have none."""

    codes: bool
    root_mean_square: float = math.nan
    offset: float = math.nan  # largest |mean| of a column over its deviation
    spread: float = 1.0  # largest over median deviation of the columns that vary


def inputs_of(part: Part) -> Inputs:
    """Of a sample of the training part."""
    values = np.asarray(part.inputs)
    if values.dtype.kind in "iu":
        return Inputs(codes=True)
    rows = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1).astype(np.float64)
    deviations = rows.std(axis=0)
    varying = deviations > 1e-9 * max(1e-300, float(np.abs(rows).max(initial=0.0)))
    some = deviations[varying]
    spread = float(some.max() / np.median(some)) if some.size else 1.0
    offset = np.abs(rows.mean(axis=0))[varying] / some if some.size else np.zeros(1)
    root = math.sqrt(float(np.square(rows).mean()))
    return Inputs(False, root, float(offset.max(initial=0.0)), spread)


@dataclass(frozen=True)
class Outputs:
    """Whether the network's outputs can fit the targets at all.

    ``attainable``: the share of chance's loss that the best outputs within the bounds remove; 1
    where there are no bounds, or where they do not matter.
    """

    layer: str  # the last one
    kind: str
    activation: str  # the last layer, if it is an activation that bounds the outputs
    attainable: float = 1.0
    takes_logits: bool = False


_BOUNDS = {
    "softmax": (0.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
    "elu": (-1.0, math.inf),
    "selu": (-1.7581, math.inf),
}


def outputs_of(spec: Spec, network: Network, part: Part) -> Outputs:
    last = network.chain.nodes[-1].layer
    logits = spec.loss.name in ("cross_entropy", "binary_cross_entropy")
    if last.name not in _BOUNDS:
        return Outputs(last.path, last.name, "", takes_logits=logits)
    units = network.chain.output_shape[-1]
    best = _best_outputs(spec, part.targets, last.name, units)
    value, _ = make_loss(spec.loss).forward(best, part.targets)
    chance = constant_loss(spec, chance_outputs(spec, part.targets), part.targets)
    share = 1 - float(value) / chance if chance > 0 else 1.0
    return Outputs(last.path, last.name, last.name, share, logits)


def _best_outputs(spec: Spec, targets: Array, activation: str, units: int) -> Array:
    """What the loss likes best within the activation's bounds."""
    low, high = _BOUNDS[activation]
    high = min(high, 1e6)
    if targets.dtype.kind in "iu":  # classes: the highest for the right one
        best = np.full((*targets.shape, units), max(low, -1e6))
        np.put_along_axis(best, targets[..., np.newaxis], high, axis=-1)
        return best
    wide = targets.astype(np.float64)
    if activation == "softmax" and units == 1:
        return np.ones_like(wide)
    if spec.loss.name == "binary_cross_entropy":
        return np.where(wide > 0.5, high, max(low, -1e6))
    return np.clip(wide, low, high)
