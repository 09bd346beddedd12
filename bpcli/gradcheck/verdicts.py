"""From what the trials of a network found to a verdict on each gradient and each layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bpcli.gradcheck.comparison import Comparison, Verdict
from bpcli.gradcheck.failures import place
from bpcli.gradcheck.functions import INNER, INPUTS
from bpcli.gradcheck.hints import UNKNOWN, Hint, hints
from bpcli.gradcheck.hints.case import Case
from bpcli.gradcheck.localisation import Examined
from bpcli.gradcheck.penalty import penalty_gradient
from bpcli.gradcheck.result import Fault, TensorResult, Worst
from bpcli.gradcheck.trial import Trial
from bpcli.network import Network

_AFFORDABLE = 10.0  # seconds, for the numerical derivative of one wrong gradient


def faults(trials: Sequence[Trial], least: float = 0.0) -> list[Fault]:
    """What each layer does wrong by itself, in forward order; relative errors below ``least`` are
    passed over, and no time is spent on what they look like."""
    found = [fault for fault in [_loss_fault(trials)] if fault is not None]
    for node in reversed(trials[0].network.nodes):
        path = node.layer.path
        examined = [trial.examined[path] for trial in trials if path in trial.examined]
        if not examined:
            continue
        for message in dict.fromkeys(m for each in examined for m in each.problems):
            method = "forward" if message.startswith("forward") else "backward"
            found.append(_located(examined[0], Fault(path, "", message), method))
        for target in examined[0].comparisons:
            wrong = [
                trial
                for trial in trials
                if path in trial.examined
                and trial.examined[path].comparisons[target].failed
                and trial.examined[path].comparisons[target].error >= least
            ]
            if wrong:
                found.append(_fault(wrong, path, target))
    return found[::-1]


def _fault(trials: Sequence[Trial], path: str, target: str) -> Fault:
    cases = [case_of(trial, path, target) for trial in trials]
    examined = trials[0].examined[path]
    hint = best_hint(cases)
    case = next((case for case in cases if case is not None), None)
    comparison = examined.comparisons[target]
    what = {
        INPUTS: "the gradient by its inputs",
        INNER: "the gradient for the layers inside",
    }.get(target, f"the gradient by its {target}")
    fault = Fault(
        path,
        target,
        f"{what} is wrong, given a right incoming gradient",
        comparison.error,
        worst_of(case) if case is not None else _worst(comparison),
        _ratio(case) if case is not None else None,
        hint.text,
        hint.unexplained,
    )
    return _located(examined, fault)


def _located(examined: Examined, fault: Fault, method: str = "backward") -> Fault:
    """With the place of the method, where the layer is not ours."""
    kind = type(examined.backward.layer)
    if kind.__module__.startswith("bpcli."):
        return fault
    file, line = place(getattr(kind, method))
    return Fault(**{**vars(fault), "file": file, "line": line})


def _loss_fault(trials: Sequence[Trial]) -> Fault | None:
    for trial in trials:
        comparison = trial.loss_comparison
        if comparison.failed:
            name = trial.network.loss.name
            return Fault(
                name, "outputs", "the gradient by its outputs is wrong",
                comparison.error, _worst(comparison), hint=UNKNOWN,
            )  # fmt: skip
    return None


def case_of(trial: Trial, path: str, target: str) -> Case | None:
    """Everything that could explain a wrong gradient; None where that would take too long."""
    examined = trial.examined[path]
    slope = examined.numeric.get(target)
    if slope is None:
        if trial.functions.seconds(examined.function) > _AFFORDABLE:
            return None
        inner = examined.backward.inner_gradient if target == INPUTS else None
        slope = trial.functions.pullback(examined.function, target, examined.v, None, inner)
    event = examined.function.event
    return Case(
        examined,
        target,
        examined.analytic[target],
        slope.values,
        trial.before.events.get(path),
        _previous(trial, path),
        trial.network.l2,
    ) if event is not None else None  # fmt: skip


def _previous(trial: Trial, path: str):  # type: ignore[no-untyped-def]
    nodes = trial.network.nodes
    index = next(i for i, node in enumerate(nodes) if node.layer.path == path)
    return trial.recorded.events.get(nodes[index - 1].layer.path) if index else None


def best_hint(cases: Sequence[Case | None]) -> Hint:
    """The most specific explanation that holds under every condition that shows the fault."""
    known = [list(hints(case)) for case in cases if case is not None]
    if not known:
        return Hint("" if any(case is None for case in cases) else UNKNOWN)
    for hint in known[0]:
        if all(any(hint.key == other.key for other in others) for others in known[1:]):
            return hint
    if len(known) > 1 and known[-1]:
        return known[-1][0]
    return Hint(UNKNOWN)


def _ratio(case: Case) -> float | None:
    """Gradient over derivative, if that is the same for all elements that are not tiny."""
    sizes = np.abs(case.numeric)
    large = sizes > 1e-6 * sizes.max(initial=0.0)
    if not large.any():
        return None
    ratios = case.analytic[large] / case.numeric[large]
    middle = float(np.median(ratios))
    return middle if np.abs(ratios - middle).max() <= 1e-6 * abs(middle) else None


def worst_of(case: Case) -> Worst:
    """The element that differs most."""
    index = np.unravel_index(int(np.abs(case.error).argmax()), case.error.shape)
    return Worst(
        tuple(int(i) for i in index), float(case.analytic[index]), float(case.numeric[index])
    )


def _worst(comparison: Comparison) -> Worst:
    return Worst(comparison.index, comparison.analytic, comparison.numeric)


class Verdicts:
    """On every tensor, given the faults of the layers."""

    def __init__(self, trials: Sequence[Trial], found: Sequence[Fault]) -> None:
        self.trials, self.faults = trials, found
        network = trials[0].network
        self._order = [node.layer.path for node in network.nodes] + [network.loss.name]
        self._guilty = {fault.layer for fault in found}

    def of_parameters(self, network: Network) -> Iterator[TensorResult]:
        for name in network.parameters:
            yield self.of(name)

    def of(self, name: str) -> TensorResult:
        """A parameter by its full name, or the inputs."""
        tensors = [trial.tensors[name] for trial in self.trials]
        comparisons = [c for tensor in tensors for c in tensor.comparisons]
        if name == INPUTS:
            owner, short = self._order[0], INPUTS
        else:
            examined, short = self.trials[0].owner(name)
            owner = examined.path
        own = next((f for f in self.faults if f.layer == owner and f.gradient == short), None)
        verdict = _verdict(comparisons) if own is None else "fail"
        chosen = _telling(comparisons)
        blamed, hint, worst = "", "", _worst(chosen)
        if own is not None:
            hint, worst = own.hint, own.worst or worst
        elif verdict == "fail":
            blamed = self._blamed(owner)
            hint = self._hint_of_blamed(blamed) if blamed else self._hint_of_network(name, short)
        return TensorResult(
            name,
            tensors[0].analytic.shape,
            tensors[0].checked,
            max(tensor.projections for tensor in tensors),
            max([c.error for c in comparisons] + ([own.max_relative_error] if own else [])),
            worst,
            verdict,
            _note(comparisons) if verdict != "fail" else "",
            hint,
            blamed,
        )

    def _blamed(self, owner: str) -> str:
        """The first guilty layer on the way back that a gradient of ``owner`` comes through."""
        place = self._order.index(owner)
        later = [path for path in self._order[place + 1 :] if path in self._guilty]
        around = [path for path in self._guilty if owner.startswith(path + ".")]
        own = [owner] if owner in self._guilty else []
        return next(iter([*later, *around, *own]), "")

    def _hint_of_blamed(self, blamed: str) -> str:
        fault = next(fault for fault in self.faults if fault.layer == blamed)
        reason = f": {fault.hint or fault.message}"
        return f"right by itself, wrong is what arrives from {blamed}{reason}"

    def _hint_of_network(self, name: str, short: str) -> str:
        """Every layer is right by itself: what the network makes of them is not."""
        cases, alone = [], []
        for trial in self.trials:
            tensor = trial.tensors[name]
            if not any(comparison.failed for comparison in tensor.comparisons):
                continue
            path = trial.owner(name)[0].path if name != INPUTS else self._order[0]
            case = case_of(trial, path, short)
            if case is None:
                return ""
            penalty = 0.0 if name == INPUTS else penalty_gradient(trial.twins[0].network, name)
            whole = replace(
                case, analytic=tensor.analytic, numeric=case.numeric + penalty, of_network=True
            )
            cases.append(whole)
            alone.append(replace(case, analytic=tensor.analytic - penalty))
        hint = best_hint(cases)
        return (hint if hint.known else best_hint(alone)).text


def _verdict(comparisons: Sequence[Comparison]) -> Verdict:
    verdicts = {comparison.verdict for comparison in comparisons}
    if "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def _telling(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparison that decides: a failed one, of an element before one of a projection."""
    return max(
        comparisons,
        key=lambda c: (c.verdict == "fail", c.verdict == "inconclusive", bool(c.index), c.error),
    )


def _note(comparisons: Sequence[Comparison]) -> str:
    """What holds of the gradient under every condition."""
    notes = [comparison.note for comparison in comparisons]
    inconclusive = [c.note for c in comparisons if c.verdict == "inconclusive"]
    if inconclusive:
        return inconclusive[0]
    return notes[0] if all(notes) else ""
