"""A short training run that is watched closely: what a spec's training comes to."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bpcli.build import network_on
from bpcli.data import Dataset, Part
from bpcli.diagnosis.recorder import Recorder
from bpcli.network import Network
from bpcli.network.cost import multiply_adds
from bpcli.spec.model import Spec
from bpcli.training import NonFinite, Stepper, evaluate
from bpcli.training.screening import NonFiniteError

_LOOKS = 12  # recorded steps and evaluations, the first steps apart
_STEPS_A_LOOK = 5  # at least: what a look takes is not to be more than the steps
_FIRST = (1, 2, 3, 5, 8)  # recorded always
_EVALUATED = 512  # examples of each part at most
_POSITIONS, _FEWEST = 2048, 16  # of sequences, so many targets and examples are enough
_LEAST_SCORES = 3
# about what one core does: seconds a layer and step, and a multiply-add of forward and backward
_SECONDS_A_LAYER, _SECONDS_A_MULTIPLICATION = 2.5e-5, 4e-11


@dataclass(frozen=True)
class Score:
    """How well the network does after a number of steps, in evaluation mode."""

    step: int
    train_loss: float
    score: float  # accuracy or R², of the validation part if there is one


@dataclass
class Trial:
    """What a run came to: the loss of each step, records of some, scores of some."""

    seed: int
    total_steps: int  # of the whole training; the trial may be shorter
    losses: list[float] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    non_finite: NonFinite | None = None

    @property
    def steps(self) -> int:
        return len(self.losses)

    @property
    def complete(self) -> bool:
        return self.steps >= self.total_steps or self.non_finite is not None

    @property
    def best_score(self) -> float:
        return max((s.score for s in self.scores if math.isfinite(s.score)), default=math.nan)

    @property
    def last_score(self) -> float:
        return self.scores[-1].score if self.scores and self.non_finite is None else math.nan

    @property
    def last_loss(self) -> float:
        if self.non_finite is not None or not self.scores:
            return math.inf
        return self.scores[-1].train_loss


def total_steps(spec: Spec, part: Part) -> int:
    """The updates that the whole training takes."""
    batches = math.ceil(len(part) / spec.training.batch_size)
    return spec.training.epochs * math.ceil(batches / spec.training.accumulate)


def step_seconds(network: Network, batch_size: int) -> float:
    """About what a step takes on one core; from the network's size alone, not from a clock, so
    that a diagnosis does the same everywhere."""
    nodes = network.nodes
    work = 3 * batch_size * sum(map(multiply_adds, nodes))
    values = 3 * batch_size * sum(math.prod(node.output_shape) for node in nodes)
    steps = sum(node.input_shape[0] for node in nodes if node.layer.name in ("rnn", "lstm", "gru"))
    memory = 6 * network.parameters.vector.size
    layers = len(nodes) + 3 * steps
    return layers * _SECONDS_A_LAYER + work * _SECONDS_A_MULTIPLICATION + (values + memory) * 1e-9


def affordable_steps(network: Network, batch_size: int, seconds: float) -> int:
    return max(1, int(seconds / step_seconds(network, batch_size)))


def run_trial(
    spec: Spec, dataset: Dataset, seed: int, steps: int, *, network: Network | None = None
) -> Trial:
    """Trains for that many steps, or to the end or the first value that is not finite."""
    spec = replace(spec, seed=seed)
    network = network or network_on(spec, dataset)
    stepper = Stepper(spec, dataset.train, network)
    trial = Trial(seed, stepper.total_steps)
    steps = min(steps, stepper.total_steps)
    looks = look_steps(steps)
    scored = scored_steps(steps, looks, steps_a_score(dataset, spec.training.batch_size))
    recorder = Recorder(steps, steps=looks)
    with np.errstate(all="ignore"):
        try:
            for step in range(1, steps + 1):
                if not recorder.wants(step):
                    trial.losses.append(stepper.step())
                    continue
                loss = stepper.step(recorder)
                trial.losses.append(loss)
                trial.lines.append(recorder.end(step, stepper.epoch_of(step), loss))
                if step in scored:
                    trial.scores.append(score(network, dataset, spec, step))
        except NonFiniteError as error:
            trial.non_finite = error.found
        finally:
            network.observe(None)
    return trial


def look_steps(steps: int) -> set[int]:
    """The first steps and then equal distances to the last."""
    count = max(1, min(_LOOKS, steps // _STEPS_A_LOOK))
    later = {round(steps * look / count) for look in range(1, count + 1)}
    return {step for step in _FIRST if step <= steps} | later


def steps_a_score(dataset: Dataset, batch_size: int) -> float:
    """About how many steps take as long: a forward pass is a third of one."""
    parts = [dataset.train, *([dataset.validation] if dataset.validation is not None else [])]
    return sum(len(judged(part)) for part in parts) / (3 * batch_size)


def scored_steps(steps: int, looks: Collection[int], steps_a_score: float) -> set[int]:
    """Of the looks but the first ones, as many as take no longer than the training, at equal
    distances up to the last."""
    later = sorted((step for step in looks if step not in _FIRST or step == steps), reverse=True)
    affordable = max(_LEAST_SCORES, int(steps / max(steps_a_score, 1e-9)))
    return set(later[:: math.ceil(len(later) / affordable)])


def score(network: Network, dataset: Dataset, spec: Spec, step: int) -> Score:
    """The loss on a sample of the training part, and the score of what validates."""
    targets = dataset.preparation.targets
    size = spec.training.batch_size
    train = evaluate(network, judged(dataset.train), targets, size)
    best = train
    if dataset.validation is not None and len(dataset.validation):
        best = evaluate(network, judged(dataset.validation), targets, size)
    return Score(step, train["loss"], best.get("accuracy", best.get("r2", math.nan)))


def judged(part: Part) -> Part:
    """The examples that a score is taken of."""
    return sample(part, enough(part, _EVALUATED))


def enough(part: Part, most: int) -> int:
    """Examples that do for a figure: fewer of those that have a target at every position."""
    if part.targets.dtype.kind not in "iu" or part.targets.ndim < 2:
        return most
    positions: int = math.prod(part.targets.shape[1:])
    return max(_FEWEST, min(most, _POSITIONS // positions))


def sample(part: Part, most: int = _EVALUATED) -> Part:
    """The part, or examples at equal distances in it, as the network takes them: windows are cut,
    and files on disk are read, when a batch is taken."""
    if len(part) <= most and type(part) is Part:
        return part
    rows = np.linspace(0, len(part) - 1, min(most, len(part))).astype(np.int64)
    inputs, targets = part.take(rows)
    return Part(inputs.copy(), targets.copy())


def seeds_from(seed: int, count: int) -> Sequence[int]:
    """The spec's own seed and others."""
    return [seed, *(seed + 1000 + number for number in range(1, count))]
