"""What can be expected on the data at hand: the best constant answer, and a plain learner.

Whether a loss of 0.9 is good depends on the data. So a network is measured against two others: the
best constant (chance), and a small network in which nothing can go wrong: standardized inputs, one
hidden layer, He weights, Adam. It takes as many steps as the network in question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bpcli.data import Dataset, Part
from bpcli.diagnosis.trial import Trial, judged, run_trial, sample
from bpcli.network import Network
from bpcli.network.losses import make_loss
from bpcli.spec import layers
from bpcli.spec.initializers import HeNormal
from bpcli.spec.model import Spec, TrainingOptions
from bpcli.spec.optimization import Adam, ConstantRate, MeanSquaredError

Array = np.ndarray[Any, Any]
_HIDDEN = 64
_RATES = (0.003, 0.01)
_EXAMPLES = 8192  # that the plain learner sees at most
_INPUTS = 2048  # numbers of an example that it looks at
_MOST_STEPS = 3000


@dataclass(frozen=True)
class Expectation:
    """Loss and score of the best constant, and the shares of what is left that a plain learner
    makes good."""

    chance_loss: float
    chance_score: float
    learned_loss_share: float  # 1 - loss / chance_loss
    learned_score: float
    resolution: float  # one standard error of a score by chance

    def share_of_score(self, score: float) -> float | None:
        """How much of the way from chance to the plain learner a score covers; None where the
        learner does no better than chance, so that nothing can be said."""
        gap = self.learned_score - self.chance_score
        if not gap > 4 * self.resolution:
            return None
        return (score - self.chance_score) / gap if math.isfinite(score) else 0.0

    def share_of_loss(self, loss: float) -> float | None:
        """The same of the training loss."""
        if not self.learned_loss_share > 0.05 or self.chance_loss <= 0:
            return None
        return self.removed(loss) / self.learned_loss_share

    def removed(self, loss: float) -> float:
        """1 - loss / chance: the share of the best constant's loss that is gone."""
        return 1 - loss / self.chance_loss if self.chance_loss > 0 else 0.0


def expectation(spec: Spec, dataset: Dataset, steps: int) -> Expectation:
    """Chance, and the plain learner after as many steps of the spec's batch size."""
    part = judged(dataset.train)
    validated = dataset.train if dataset.validation is None else dataset.validation
    best = chance_outputs(spec, part.targets)
    chance_loss = constant_loss(spec, best, part.targets)
    chance_score, resolution = _chance_score(dataset, judged(validated).targets)
    trials = _plain_learners(spec, dataset, min(steps, _MOST_STEPS))
    learned = min(trial.last_loss for trial, _ in trials)
    own_chance = trials[0][1]
    return Expectation(
        chance_loss,
        chance_score,
        1 - learned / own_chance if own_chance > 0 else 0.0,
        max(trial.best_score for trial, _ in trials),
        resolution,
    )


# the best constant


def chance_outputs(spec: Spec, targets: Array) -> Array:
    """The same outputs for every example that lose least: logits of the classes' shares, means,
    or medians."""
    if spec.loss.name == "cross_entropy":
        shares = np.bincount(targets.reshape(-1)) / targets.size
        return np.log(np.maximum(shares, 1e-12))
    flat = targets.astype(np.float64)
    if spec.loss.name == "binary_cross_entropy":
        share = np.clip(flat.mean(axis=0), 1e-12, 1 - 1e-12)
        return np.asarray(np.log(share / (1 - share)))
    return np.asarray(np.median(flat, axis=0) if spec.loss.name == "mae" else flat.mean(axis=0))


def constant_loss(spec: Spec, outputs: Array, targets: Array) -> float:
    """The spec's loss of constant outputs."""
    shape = (*targets.shape, outputs.size) if targets.dtype.kind in "iu" else targets.shape
    everywhere = np.broadcast_to(outputs, shape).astype(np.float64)
    value, _ = make_loss(spec.loss).forward(everywhere, targets)
    return float(value)


def _chance_score(dataset: Dataset, targets: Array) -> tuple[float, float]:
    """(accuracy of the most frequent class, or R² = 0; its standard error)."""
    kind = dataset.preparation.targets.kind
    if kind == "numbers":
        return 0.0, 0.5 / math.sqrt(max(targets.size, 1))
    if kind == "binary":
        share = float(np.mean(targets > 0.5))
        best = max(share, 1 - share)
    else:
        codes = targets.argmax(-1) if targets.dtype.kind == "f" else targets
        best = float(np.bincount(codes.reshape(-1)).max() / codes.size)
    return best, math.sqrt(max(best * (1 - best), 1e-4) / max(targets.size, 1))


# the plain learner


def _plain_learners(spec: Spec, dataset: Dataset, steps: int) -> list[tuple[Trial, float]]:
    """Trials of the plain learner at several learning rates, with the chance loss of its own."""
    plain, own_chance = _plain_data(spec, dataset)
    learner = replace(
        spec,
        network=_plain_layers(plain, hidden=not _is_linear(spec.network)),
        loss=MeanSquaredError() if _numeric(dataset) else spec.loss,
        dtype="float32",
        schedule=ConstantRate(),
        training=TrainingOptions(
            epochs=math.ceil(steps * spec.training.batch_size / len(plain.train)) + 1,
            batch_size=min(spec.training.batch_size, 256),
        ),
    )
    trials = []
    for rate in _RATES:
        options = replace(learner, optimizer=Adam(learning_rate=rate))
        shape = plain.train.inputs.shape[1:]
        network = Network(options.network, options.loss, shape, seed=spec.seed)
        trials.append((run_trial(options, plain, spec.seed, steps, network=network), own_chance))
    return trials


def _numeric(dataset: Dataset) -> bool:
    return dataset.preparation.targets.kind == "numbers"


def _plain_data(spec: Spec, dataset: Dataset) -> tuple[Dataset, float]:
    """Inputs standardized and laid out for dense layers, numeric targets standardized."""
    train = sample(dataset.train, _EXAMPLES)
    inputs, offset, scale = _standardizing(_laid_out(train))
    targets, t_offset, t_scale = train.targets, np.zeros(()), np.ones(())
    some = judged(train).targets
    own_chance = constant_loss(spec, chance_outputs(spec, some), some)
    if _numeric(dataset):
        flat = targets.astype(np.float64)
        t_offset, t_scale = flat.mean(axis=0), np.where(flat.std(axis=0) > 0, flat.std(axis=0), 1)
        targets, own_chance = ((flat - t_offset) / t_scale).astype(np.float32), 1.0
    elif targets.dtype.kind == "f":
        targets = targets.astype(np.float32)
    parts = {"train": Part(inputs, targets), "validation": None}
    if dataset.validation is not None:
        validation = sample(dataset.validation)
        wanted = validation.targets
        if wanted.dtype.kind == "f":
            wanted = ((wanted - t_offset) / t_scale).astype(np.float32)
        laid_out = ((_laid_out(validation) - offset) / scale).astype(inputs.dtype)
        parts["validation"] = Part(laid_out, wanted)
    return replace(dataset, **parts), own_chance  # type: ignore[arg-type]


def _laid_out(part: Part) -> Array:
    """Targets at every position: inputs as they are; else all numbers of an example in a row."""
    inputs = np.asarray(part.inputs)
    positions = (
        inputs.ndim > 1
        and part.targets.shape[1:2] == inputs.shape[1:2]
        and ((inputs.ndim == 2 and inputs.dtype.kind in "iu") or inputs.ndim == 3)
    )
    if inputs.dtype.kind in "iu":
        return inputs if positions else inputs[:, :_INPUTS]
    if positions:
        return inputs
    flat = inputs.reshape(len(inputs), -1)
    return flat[:, :: math.ceil(flat.shape[1] / _INPUTS)]


def _standardizing(inputs: Array) -> tuple[Array, Any, Any]:
    """(inputs - mean) / deviation by column; codes stay codes."""
    if inputs.dtype.kind in "iu":
        return inputs, 0, 1
    wide = inputs.astype(np.float64)
    deviation = wide.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    offset = wide.mean(axis=0)
    return ((wide - offset) / scale).astype(np.float32), offset, scale


# what keeps a network linear in its inputs, whatever stands in which order
_LINEAR = (
    "dense", "conv1d", "conv2d", "avg_pool1d", "avg_pool2d", "global_avg_pool1d",
    "global_avg_pool2d", "flatten", "batch_norm", "dropout", "identity", "embedding", "position",
)  # fmt: skip
_MONOTONIC = ("softmax", "sigmoid")  # at the end they move no boundary between classes


def _is_linear(network: Sequence[layers.LayerOptions]) -> bool:
    """Whether a network can do no more than a linear one; then it is measured against one."""
    if network and network[-1].name in _MONOTONIC:
        network = network[:-1]
    return all(
        _is_linear(inner) if (inner := getattr(layer, "layers", None)) is not None
        else layer.name in _LINEAR
        for layer in network
    )  # fmt: skip


def _plain_layers(plain: Dataset, *, hidden: bool = True) -> tuple[layers.LayerOptions, ...]:
    """Codes and classes are those of the data: a held-back part may have some of its own."""
    train, preparation = plain.train, plain.preparation
    classes = preparation.targets.classes
    if train.targets.dtype.kind == "f":
        outputs = train.targets.shape[-1]
    else:
        assert classes is not None
        outputs = len(classes)
    body: list[layers.LayerOptions] = []
    if train.inputs.dtype.kind in "iu":
        body.append(layers.Embedding(dimension=16, vocabulary=preparation.inputs.codes))
        if train.targets.shape[1:2] != train.inputs.shape[1:2]:
            body.append(layers.Flatten())
    if hidden:
        body += [layers.Dense(units=_HIDDEN, init=HeNormal()), layers.Relu()]
    return (*body, layers.Dense(units=outputs))
