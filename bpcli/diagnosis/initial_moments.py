"""What every initializer gives a parameter on average: its mean and its mean square."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bpcli.network.initializers import fans, general_form
from bpcli.network.layer import Shape
from bpcli.spec import initializers as spec


class InitialMoments(NamedTuple):
    """E w and E w² of the elements; ``isometric``: the rows or columns are orthogonal, so that
    lengths do not fluctuate as they do under independent elements."""

    mean: float
    square: float
    isometric: bool = False


def initial_moments(init: Any, shape: Shape) -> InitialMoments:
    """The moments that the initializer gives a parameter of that shape."""
    init = general_form(init)
    match init:
        case spec.VarianceScaling():
            fan_in, fan_out = fans(shape)
            fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
            return InitialMoments(0.0, init.scale / fan[init.mode])
        case spec.Normal():
            return InitialMoments(0.0, init.std**2)
        case spec.Uniform():
            mean = (init.low + init.high) / 2
            return InitialMoments(mean, mean**2 + (init.high - init.low) ** 2 / 12)
        case spec.Zeros():
            return InitialMoments(0.0, 0.0)
        case spec.Ones():
            return InitialMoments(1.0, 1.0)
        case spec.Constant():
            return InitialMoments(init.value, init.value**2)
        case spec.Orthogonal():
            longer = max(math.prod(shape[:-1]), shape[-1])
            return InitialMoments(0.0, init.gain**2 / longer, isometric=True)
        case spec.Identity():
            share = min(shape) / math.prod(shape)
            return InitialMoments(share, share, isometric=True)
        case spec.Values():
            values = np.asarray(init.values, np.float64)
            return InitialMoments(float(values.mean()), float(np.square(values).mean()))
    raise TypeError(f"no moments are known of the initializer {init.name!r}")
