"""The options of optimizers, schedules and losses."""

from __future__ import annotations

from dataclasses import dataclass

from bpcli.spec.options import Boolean, Integer, Number, option

RATE = Number(above=0)
SHARE = Number(low=0, below=1)


class Optimizer:
    """Base of all optimizers."""

    name = ""
    learning_rate: float


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent, with (Nesterov) momentum."""

    name = "sgd"
    learning_rate: float = option(RATE, 0.01)
    momentum: float = option(SHARE, 0.0)
    nesterov: bool = option(Boolean(), False)


@dataclass(frozen=True)
class RmsProp(Optimizer):
    """The gradient over the root of its running mean square."""

    name = "rmsprop"
    learning_rate: float = option(RATE, 0.001)
    decay: float = option(SHARE, 0.9)
    epsilon: float = option(RATE, 1e-8)
    momentum: float = option(SHARE, 0.0)


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """The gradient over the root of the sum of its squares so far."""

    name = "adagrad"
    learning_rate: float = option(RATE, 0.01)
    epsilon: float = option(RATE, 1e-10)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Running means of the gradient and of its square, both corrected for their start."""

    name = "adam"
    learning_rate: float = option(RATE, 0.001)
    beta1: float = option(SHARE, 0.9)
    beta2: float = option(SHARE, 0.999)
    epsilon: float = option(RATE, 1e-8)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay apart from the gradient."""

    name = "adamw"
    weight_decay: float = option(Number(low=0), 0.01)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    optimizer.name: optimizer for optimizer in (Sgd, RmsProp, AdaGrad, Adam, AdamW)
}


@dataclass(frozen=True)
class Schedule:
    """Base of all schedules: the learning rate rises linearly over the first steps."""

    name = ""
    warmup_steps: int = option(Integer(0), 0, keyword=True)


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """The optimizer's learning rate throughout."""

    name = "constant"


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Times ``factor`` after every ``every`` steps."""

    name = "step"
    every: int = option(Integer(1), 1000)
    factor: float = option(RATE, 0.1)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Times ``factor`` over every ``every`` steps, smoothly."""

    name = "exponential"
    factor: float = option(RATE, 0.96)
    every: int = option(Integer(1), 1000)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine down to ``final`` times the learning rate at the last step."""

    name = "cosine"
    final: float = option(Number(low=0, high=1), 0.0)


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """A straight line down to ``final`` times the learning rate at the last step."""

    name = "linear"
    final: float = option(Number(low=0, high=1), 0.0)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the learning rate and far down again (Smith & Topin 2018)."""

    name = "one_cycle"
    rise: float = option(Number(above=0, below=1), 0.3, doc="the share of steps that go up")
    start: float = option(Number(above=0, high=1), 0.04, doc="the first rate, times the top one")
    final: float = option(Number(low=0, high=1), 4e-6, doc="the last rate, times the top one")


@dataclass(frozen=True)
class Plateau(Schedule):
    """Times ``factor`` when the validation loss has not fallen for ``patience`` epochs."""

    name = "plateau"
    patience: int = option(Integer(1), 10)
    factor: float = option(Number(above=0, below=1), 0.1)
    min_delta: float = option(Number(low=0), 1e-4, doc="the relative fall that counts")


SCHEDULES: dict[str, type[Schedule]] = {
    schedule.name: schedule
    for schedule in (
        ConstantRate, StepDecay, ExponentialDecay, CosineDecay, LinearDecay, OneCycle, Plateau,
    )
}  # fmt: skip


class Loss:
    """Base of all losses."""

    name = ""


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Between logits and classes: -ln softmax(z)[class]."""

    name = "cross_entropy"


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Between logits and 0/1 targets: ln(1 + exp(z)) - t z."""

    name = "binary_cross_entropy"


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """(y - t)²."""

    name = "mse"


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """|y - t|."""

    name = "mae"


@dataclass(frozen=True)
class Huber(Loss):
    """½ (y - t)² near 0, delta (|y - t| - ½ delta) beyond ``delta``."""

    name = "huber"
    delta: float = option(RATE, 1.0)


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (CrossEntropy, BinaryCrossEntropy, MeanSquaredError, MeanAbsoluteError, Huber)
}
