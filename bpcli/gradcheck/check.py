"""The gradient check of a network, from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bpcli.gradcheck.alike import alike
from bpcli.gradcheck.comparison import Verdict
from bpcli.gradcheck.conditions import Condition, own_condition, random_condition
from bpcli.gradcheck.failures import ENDS, LayerFailure, NonFiniteForward, raised
from bpcli.gradcheck.functions import INPUTS
from bpcli.gradcheck.recording import seconds_of_backpropagation
from bpcli.gradcheck.result import Fault, KinkResult, Result, TensorResult, TrainingPath
from bpcli.gradcheck.training_path import check_training_path
from bpcli.gradcheck.trial import Trial
from bpcli.gradcheck.verdicts import Verdicts, faults
from bpcli.network import Network
from bpcli.network.layer import Array

Method = Literal["complex", "central"]
Mode = Literal["auto", "all", "quick"]
Progress = Callable[[float, float], None]  # seconds done and in all, both estimated

LONGEST = 20.0  # seconds: what takes longer is not checked element by element
_SAMPLE_SECONDS, _SAMPLES = 4.0, 16
_MEASURED, _LITTLE = 2.0, 5.0  # seconds: enough to estimate by, and not worth stopping for


@dataclass(frozen=True)
class _Plan:
    elements: bool
    samples: int
    seconds: float  # that every element takes, or would take
    limited: bool = False  # whether to stop where it turns out to take too long


class _TooSlowError(Exception):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # that every element would take


def check(
    network: Network,
    inputs: Array,
    targets: Array,
    *,
    method: Method = "complex",
    mode: Mode = "auto",
    progress: Progress | None = None,
) -> Result:
    """Holds every gradient of the network against numerical derivatives.

    ``inputs`` and ``targets`` are some examples (16 serve best). The network is left as it is.
    ``mode``: "all" elements whatever that takes, "quick" projections alone, or "auto". Raises
    NonFiniteForward.
    """
    start = time.perf_counter()
    gradients = network.gradients.vector.copy()
    with np.errstate(all="ignore"):
        try:
            result = _check(network, inputs, targets, method, mode, progress)
        except ENDS as error:
            broken = raised(error, [node.layer for node in network.nodes])
            if broken is None:
                raise
            result = Result("fail", method, failure=broken.failure)
        finally:
            network.gradients.vector[...] = gradients
    return replace(result, seconds=time.perf_counter() - start)


def quick_check(
    network: Network, inputs: Array, targets: Array, *, least: float = 0.0
) -> tuple[Fault, ...]:
    """What layers do wrong, found by projections alone: cheap enough to go before a diagnosis.

    Of many layers that are alike, with the same options and shapes, some stand for all.
    Relative errors below ``least`` are passed over. Nothing is found where the forward pass is not
    finite; that is no fault of a gradient.
    """
    gradients = network.gradients.vector.copy()
    with np.errstate(all="ignore"):
        try:
            passed_over = alike(network)
            own = Trial(own_condition(network, inputs, targets), passed_over=passed_over)
            own.examine(elements=False)
            random, _ = _random_trial(network, inputs, targets, own)
            if random is not None:
                random.examine(elements=False)
            found = faults([own] if random is None else [own, random], least)
            return tuple(_of_all(network, found, passed_over))
        except NonFiniteForward:
            return ()
        except LayerFailure as error:
            broken = error.failure
            return (Fault(broken.layer, "", broken.message, file=broken.file, line=broken.line),)
        finally:
            network.gradients.vector[...] = gradients


def _of_all(network: Network, found: list[Fault], alike: dict[str, str]) -> list[Fault]:
    """The faults with those of the layers that the first of their kind stood for, in order."""
    order = [node.layer.path for node in network.nodes]
    copies = [
        replace(fault, layer=path)
        for path, other in alike.items()
        for fault in found
        if fault.layer == other
    ]
    place = {path: number for number, path in enumerate([*order, network.loss.name])}
    return sorted([*found, *copies], key=lambda fault: place[fault.layer])


def _check(
    network: Network,
    inputs: Array,
    targets: Array,
    method: Method,
    mode: Mode,
    progress: Progress | None,
) -> Result:
    start = time.perf_counter()
    own = Trial(own_condition(network, inputs, targets), method)
    plan = _plan(own, mode, start)
    try:
        own.check(elements=plan.elements, samples=plan.samples, tick=_ticker(progress, plan))
    except _TooSlowError as slow:
        plan = _projections(own, slow.seconds)
        own.check(elements=False, samples=plan.samples)
    random, notes = _random_trial(network, inputs, targets, own)
    trials = [own] if random is None else [own, random]
    if random is not None:
        random.check(elements=False)
    found = faults(trials)
    verdicts = Verdicts(trials, found)
    parameters = tuple(verdicts.of_parameters(network))
    by_inputs = verdicts.of(INPUTS) if INPUTS in own.tensors else None
    condition = own.condition
    floors = {name: own.floor_of(name) for name in network.parameters}
    path = check_training_path(network, condition, floors)
    tensors = [*parameters, *([by_inputs] if by_inputs else [])]
    doubts = {d.layer: d for trial in trials for d in trial.doubts}
    for found_doubt in doubts.values() if method == "complex" else ():
        notes += [f"{found_doubt.layer}: {found_doubt.reason};", "central differences there"]
    return Result(
        _verdict(tensors, found, own.kinks, path),
        method,
        max_relative_error=max((tensor.max_relative_error for tensor in tensors), default=0.0),
        parameters=parameters,
        inputs=by_inputs,
        faults=tuple(found),
        kinks=tuple(own.kinks),
        training_path=path,
        notes=tuple(notes),
        batch=condition.batch,
        every_element=plan.elements,
        backpropagation_seconds=seconds_of_backpropagation(
            condition.network, condition.inputs, condition.targets
        ),
        numerical_seconds=own.functions.seconds_spent if plan.elements else plan.seconds,
        conditions=tuple(_described(trial.condition) for trial in trials),
    )


def _plan(trial: Trial, mode: Mode, start: float) -> _Plan:
    if mode == "quick":
        return _Plan(False, 0, 0.0)
    seconds = trial.estimate(np.inf if mode == "all" else LONGEST)
    # what is not done element by element takes about as long again as it took so far
    overhead = 2 * (time.perf_counter() - start)
    if mode == "all" or seconds + overhead <= LONGEST:
        return _Plan(True, 0, seconds, limited=mode == "auto")
    return _projections(trial, seconds)


def _projections(trial: Trial, seconds: float) -> _Plan:
    one = trial.seconds_of_forward() * len(trial.network.parameters)
    samples = int(_SAMPLE_SECONDS / max(one, 1e-6))
    return _Plan(False, min(max(samples, 1), _SAMPLES), seconds)


def _ticker(progress: Progress | None, plan: _Plan) -> Callable[[float], None] | None:
    if not plan.elements:
        return None
    done, start = 0.0, time.perf_counter()

    def tick(seconds: float) -> None:
        """Estimates the time anew from what has been done."""
        nonlocal done
        done += seconds
        taken = time.perf_counter() - start
        whole = taken * max(plan.seconds / done, 1.0)
        if plan.limited and taken > _MEASURED and whole > LONGEST and whole - taken > _LITTLE:
            raise _TooSlowError(whole)
        if progress is not None:
            progress(done, max(plan.seconds, done))

    return tick


def _random_trial(
    network: Network, inputs: Array, targets: Array, own: Trial
) -> tuple[Trial | None, list[str]]:
    """None where the network has no finite loss with random biases and scales."""
    try:
        condition = random_condition(network, inputs, targets)
        return Trial(condition, own.method, own.doubts, own.passed_over), []
    except NonFiniteForward:
        note = "random biases and scales give no finite loss: checked as the spec starts it alone"
        return None, [note]


def _verdict(
    tensors: list[TensorResult],
    found: list[Fault],
    kinks: list[KinkResult],
    path: TrainingPath,
) -> Verdict:
    verdicts = {tensor.verdict for tensor in tensors}
    outside = any(not kink.within for kink in kinks)
    if "fail" in verdicts or found or outside or not path.agrees:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def _described(condition: Condition) -> str:
    l2 = condition.network.l2
    weight_decay = f", l2 {l2:g}" if l2 else ""
    what = {"own": "as it starts", "random": "random biases and scales"}[condition.name]
    return f"{what}, batch of {condition.batch}{weight_decay}"
