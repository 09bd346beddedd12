"""Diagnoses a spec: a measurement at initialisation, short training runs, and where they fail,
experiments that tell why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from bpcli.build import network_on
from bpcli.data import Dataset, load_data
from bpcli.diagnosis.diagnosis import Diagnosis, diagnose
from bpcli.diagnosis.evidence import Evidence, Subject
from bpcli.diagnosis.facts import inputs_of, outputs_of
from bpcli.diagnosis.laboratory import Laboratory
from bpcli.diagnosis.layer_facts import layers_of, symmetric_layers
from bpcli.diagnosis.measurement import Measurement, batches_of, measure
from bpcli.diagnosis.options import options_of
from bpcli.diagnosis.prediction import Prediction, predict, signal_of
from bpcli.diagnosis.reference import Expectation, expectation
from bpcli.diagnosis.remedies import with_remedies
from bpcli.diagnosis.thresholds import Thresholds
from bpcli.diagnosis.trial import (
    Trial,
    affordable_steps,
    run_trial,
    sample,
    seeds_from,
    total_steps,
)
from bpcli.diagnosis.verdict import Verdict, verdict
from bpcli.gradcheck import Fault, quick_check
from bpcli.network import Network
from bpcli.spec.model import Spec

SEEDS_AT_START = 5
BATCHES = 2
_TRIAL_SECONDS = 1.5  # of each training run, as the cost model counts them
_LEAST_STEPS, _LONGEST_SECONDS = 60, 5.0  # where so many steps take longer, so long at most
_MEASURE_SECONDS = 1.0
_CHECKED = 16  # examples that gradients are checked on
_UNCLEAR = (0.2, 0.8)  # shares between these are too near the line of failure for one run
_SHORT = 3  # of a run's length: what a second one takes where the first is clear

Say = Callable[[str], None]


def _silent(message: str) -> None:
    pass


def diagnose_spec(
    spec: Spec,
    *,
    train: bool = True,
    ignore: Iterable[str] = (),
    layers: Mapping[str, type] | None = None,
    say: Say = _silent,
) -> Diagnosis:
    """How gradients flow in the spec's network and what is wrong.

    Without ``train`` the network is only looked at as it starts. Raises SpecError and DataError.
    """
    options = options_of(spec, ignore)
    say("reading the data")
    dataset = load_data(spec)
    probe = Probe(spec, dataset, options.thresholds, say)
    evidence = probe.evidence(train=train)
    found = diagnose(evidence, options.ignore)
    input_shape = dataset.preparation.inputs.shape
    return replace(found, findings=with_remedies(found.findings, spec, input_shape, layers))


def _fault(fault: Fault) -> str:
    """its gradient by the inputs, residual path left out."""
    if not fault.gradient:
        return fault.message
    looks = f", looks like: {fault.hint}" if fault.hint else ""
    return f"its gradient by the {fault.gradient} is no derivative{looks}"


class Probe:
    """Gathers the evidence about a spec on its data."""

    def __init__(
        self, spec: Spec, dataset: Dataset, thresholds: Thresholds, say: Say = _silent
    ) -> None:
        self.spec, self.dataset, self.thresholds, self.say = spec, dataset, thresholds, say

    def network(self, seed: int) -> Network:
        return network_on(replace(self.spec, seed=seed), self.dataset)

    def evidence(self, *, train: bool = True, check: bool = True) -> Evidence:
        """``check``: whether the backward passes are held against derivatives."""
        spec, part = self.spec, sample(self.dataset.train)
        first = self.network(spec.seed)
        prediction = self._prediction(first)
        evidence = Evidence(
            layers_of(first, prediction),
            self.thresholds,
            start=self._start(first),
            prediction=prediction,
            inputs=inputs_of(part),
            outputs=outputs_of(spec, first, part),
            subject=Subject(
                spec, first, self.dataset.preparation.description(self.dataset.examples)
            ),
            learning_rate=spec.optimizer.learning_rate,
            symmetric=symmetric_layers(first),
        )
        if check:
            self.say("checking the gradients")
            evidence.wrong_gradients = self._wrong_gradients(first)
        if train and not evidence.wrong_gradients:
            self._train(evidence, first)
        return evidence

    def _wrong_gradients(self, network: Network) -> list[tuple[str, str]]:
        """(layer, what is wrong) of every backward pass that is no derivative."""
        inputs, targets = batches_of(self.dataset.train, 1)[0]
        found = quick_check(
            network,
            inputs[:_CHECKED],
            targets[:_CHECKED],
            least=self.thresholds.wrong_gradient,
        )
        return [(fault.layer, _fault(fault)) for fault in found]

    def _start(self, first: Network) -> Measurement:
        self.say("measuring the network as it starts")
        batches = batches_of(self.dataset.train, BATCHES)
        passes = affordable_steps(first, len(batches[0][0]), _MEASURE_SECONDS)
        batches = batches[: max(1, passes // 2)]
        count = max(2, min(SEEDS_AT_START, passes // len(batches)))
        networks = [first, *map(self.network, seeds_from(self.spec.seed, count)[1:])]
        return measure(networks, batches)

    def _prediction(self, network: Network) -> Prediction | None:
        inputs = sample(self.dataset.train).inputs
        if inputs.dtype.kind in "iu":
            return predict(network.chain.nodes, signal_of(inputs * 0.0))
        signal = signal_of(inputs)
        if not math.isfinite(signal.square):
            return None
        return predict(network.chain.nodes, signal)

    def _train(self, evidence: Evidence, first: Network) -> None:
        spec = self.spec
        total = total_steps(spec, self.dataset.train)
        steps = min(total, self._affordable(first))
        self.say(f"training for {steps:,} of {total:,} steps")
        expected = expectation(spec, self.dataset, steps)
        judged, trials, networks = self._trials(steps, expected)
        evidence.verdict = verdict(judged, expected, self.thresholds)
        evidence.runs = [trial.lines for trial in trials]
        evidence.losses = [trial.losses for trial in trials]
        evidence.non_finite = [trial.non_finite for trial in trials]
        batches = batches_of(self.dataset.train, 1)
        evidence.ends = [measure([network], batches) for network in networks]
        evidence.experiment = Laboratory(spec, self.dataset, expected, steps).share

    def _affordable(self, network: Network) -> int:
        """Steps of a run: from too few nothing can be said."""
        size = self.spec.training.batch_size
        usual, longest = (
            affordable_steps(network, size, seconds)
            for seconds in (_TRIAL_SECONDS, _LONGEST_SECONDS)
        )
        return max(usual, min(_LEAST_STEPS, longest))

    def _trials(
        self, steps: int, expected: Expectation
    ) -> tuple[list[Trial], list[Trial], list[Network]]:
        """(the runs that are judged, all runs, the networks of the judged ones).

        Where the first one is far from the line of failure, a short second one must only not
        speak against it; else the middle of three decides.
        """
        seeds = seeds_from(self.spec.seed, 4)
        first, network = self._trial(seeds[0], steps)
        own = verdict([first], expected, self.thresholds)
        if own.fails is None:  # other seeds would say as little
            return [first], [first], [network]
        if _is_clear(own):
            second, _ = self._trial(seeds[1], max(1, steps // _SHORT))
            if self._agrees(second, own, expected):
                return [first], [first, second], [network]
        more = [self._trial(seed, steps) for seed in seeds[2:]]
        judged = [first, *(trial for trial, _ in more)]
        return judged, judged, [network, *(each for _, each in more)]

    def _trial(self, seed: int, steps: int) -> tuple[Trial, Network]:
        network = self.network(seed)
        spec = replace(self.spec, seed=seed)
        return run_trial(spec, self.dataset, seed, steps, network=network), network

    def _agrees(self, second: Trial, own: Verdict, expected: Expectation) -> bool:
        """Whether a run that was cut short goes the way of the first one: a failing one is no
        better than the line by then, a good one has begun to learn or may yet."""
        other = verdict([second], expected, self.thresholds)
        if second.non_finite is not None:
            return bool(own.fails)
        if own.fails:
            return (other.share or 0.0) < self.thresholds.failing_share
        return other.fails is not True


def _is_clear(own: Verdict) -> bool:
    if own.share is None:
        return own.fails is not None
    return not _UNCLEAR[0] < own.share < _UNCLEAR[1]
