"""How a parameter starts: the options of every initializer.

The numbers are drawn in :mod:`bpcli.network.initializers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpcli.spec.options import Number, Numbers, Word, option


class Init:
    """Base of all initializers; ``name`` is what a spec calls it."""

    name = ""


@dataclass(frozen=True)
class VarianceScaling(Init):
    """Var[W] = scale / fan (Glorot & Bengio 2010; He et al. 2015)."""

    name = "variance_scaling"
    scale: float = option(Number(above=0), 1.0)
    mode: str = option(Word(("fan_in", "fan_out", "fan_avg")), "fan_in")
    distribution: str = option(Word(("normal", "truncated_normal", "uniform")), "normal")


@dataclass(frozen=True)
class GlorotUniform(Init):
    """Var[W] = 2 / (fan_in + fan_out), uniform."""

    name = "glorot_uniform"


@dataclass(frozen=True)
class GlorotNormal(Init):
    """Var[W] = 2 / (fan_in + fan_out), normal."""

    name = "glorot_normal"


@dataclass(frozen=True)
class HeUniform(Init):
    """Var[W] = 2 / fan_in, uniform."""

    name = "he_uniform"


@dataclass(frozen=True)
class HeNormal(Init):
    """Var[W] = 2 / fan_in, normal."""

    name = "he_normal"


@dataclass(frozen=True)
class LecunUniform(Init):
    """Var[W] = 1 / fan_in, uniform."""

    name = "lecun_uniform"


@dataclass(frozen=True)
class LecunNormal(Init):
    """Var[W] = 1 / fan_in, normal."""

    name = "lecun_normal"


@dataclass(frozen=True)
class Zeros(Init):
    """All 0."""

    name = "zeros"


@dataclass(frozen=True)
class Ones(Init):
    """All 1."""

    name = "ones"


@dataclass(frozen=True)
class Identity(Init):
    """1 on the diagonal of a matrix, 0 elsewhere."""

    name = "identity"


@dataclass(frozen=True)
class Orthogonal(Init):
    """A random matrix with orthonormal rows or columns, times ``gain`` (Saxe et al. 2014)."""

    name = "orthogonal"
    gain: float = option(Number(above=0), 1.0)


@dataclass(frozen=True)
class Constant(Init):
    """All the same number."""

    name = "constant"
    value: float = option(Number())


@dataclass(frozen=True)
class Values(Init):
    """Literal values, in the parameter's own shape."""

    name = "values"
    values: Any = option(Numbers())


@dataclass(frozen=True)
class Normal(Init):
    """Normal with mean 0, whatever the fan."""

    name = "normal"
    std: float = option(Number(low=0), 0.05)


@dataclass(frozen=True)
class Uniform(Init):
    """Uniform between two bounds, whatever the fan."""

    name = "uniform"
    low: float = option(Number(), -0.05)
    high: float = option(Number(), 0.05)


INITIALIZERS: dict[str, type[Init]] = {
    init.name: init
    for init in (
        GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal,
        Zeros, Ones, Identity, Orthogonal, Constant, Values, Normal, Uniform, VarianceScaling,
    )
}  # fmt: skip
