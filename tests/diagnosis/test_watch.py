"""What is told of a run while it trains, and what holds of the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpcli.build import prepare
from bpcli.diagnosis.finding import SEVERITIES, Finding
from bpcli.diagnosis.recorder import Recorder
from bpcli.diagnosis.watch import Watch
from bpcli.errors import SpecError
from bpcli.spec import parse_spec
from bpcli.training import Listener, Outcome, StepEvent, Trainer

SPEC = """\
data: {{generate: {{circles: {{samples: 400}}}}, split: {{validation: 0.2}}}}
network: [{network}]
loss: cross_entropy
optimizer: {{sgd: {{learning_rate: {rate}}}}}
training: {{epochs: {epochs}, batch_size: 16}}
"""
SIGMOIDS = "{repeat: {times: 10, layers: [{dense: 16}, sigmoid]}}, {dense: 2}"
TANH = "{dense: 16}, tanh, {dense: 2}"
HUGE = "{dense: {units: 8, init: {normal: {std: 1.0e+25}}}}, relu, {dense: 8}, relu, {dense: 2}"


class Steps(Listener):
    """Which step is at hand when something is told."""

    now = 0

    def stepped(self, step: StepEvent) -> None:
        self.now = step.step


class Run:
    def __init__(self, network: str, *, rate: float = 0.5, epochs: int = 20, more: str = "",
                 interval: int = 1) -> None:  # fmt: skip
        text = SPEC.format(network=network, rate=rate, epochs=epochs) + more
        spec = parse_spec(text, file="run.yaml")
        dataset, built = prepare(spec)
        trainer = Trainer(spec, dataset, built)
        trainer.recorder = Recorder(trainer.stepper.total_steps, interval=interval)
        steps = Steps()
        trainer.listen(steps)  # before the watch, so that it knows the step that is told of
        self.told: list[tuple[int, Finding]] = []
        self.watch = Watch(spec, dataset, built, lambda found: self.told.append((steps.now, found)))
        trainer.listen(self.watch)
        self.total = trainer.stepper.total_steps
        self.outcome: Outcome = trainer.train()

    def names(self) -> list[str]:
        return [finding.name for finding in self.watch.findings]


@pytest.mark.parametrize("interval", [1, 9])
def test_a_finding_is_told_once_and_while_there_is_time(interval: int) -> None:
    run = Run(SIGMOIDS, interval=interval)
    assert run.names() == ["vanishing-gradient"]
    ((step, finding),) = run.told
    assert finding.name == "vanishing-gradient"
    assert 50 <= step < run.total / 4
    assert run.total == 400


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_nothing_is_told_of_a_run_that_goes_well(rate: float) -> None:
    """At 0.5 its loss is hardly lower at the first look, and falls after."""
    run = Run(TANH, rate=rate, epochs=30)
    assert run.outcome.reason == "finished"
    assert (run.told, run.watch.findings) == ([], ())


def test_a_run_that_stops_is_told_of_at_its_end() -> None:
    """Before the watch has looked once."""
    run = Run(HUGE)
    assert run.outcome.reason == "non_finite"
    assert run.names() == ["exploding-activation"]
    assert [(step, finding.name) for step, finding in run.told] == [(1, "exploding-activation")]
    assert "non-finite" in run.watch.findings[0].evidence["symptoms"]


def test_what_grows_worse_is_told_again() -> None:
    ranks: dict[str, list[int]] = {}
    for _, finding in Run(SIGMOIDS, rate=0.05).told:
        ranks.setdefault(finding.name, []).append(SEVERITIES.index(finding.severity))
    assert ranks
    for severities in ranks.values():
        assert severities == sorted(set(severities), reverse=True)


def test_a_short_run_has_findings_too() -> None:
    run = Run(SIGMOIDS, epochs=4)
    assert run.total == 80
    assert run.names() == ["vanishing-gradient"]


def test_what_the_spec_ignores_is_neither_told_nor_found() -> None:
    run = Run(SIGMOIDS, more="diagnosis: {ignore: [vanishing-gradient]}\n")
    assert "vanishing-gradient" not in {finding.name for _, finding in run.told}
    assert "vanishing-gradient" not in run.names()


def test_wrong_names_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(SpecError, match="did you mean 'dead-units'"):
        Run(TANH, more="diagnosis: {ignore: [dead-unit]}\n")


def test_the_lines_that_are_kept_do_not_grow_with_the_run() -> None:
    run = Run("{dense: 4}, tanh, {dense: 2}", epochs=100)
    steps = [line["step"] for line in run.watch._lines]
    assert run.total == 2000
    assert 100 <= len(steps) <= 200
    assert steps[:10] == list(range(1, 11))
    assert steps[-1] > 1900


def test_a_watch_without_recorded_steps_says_nothing(tmp_path: Path) -> None:
    spec = parse_spec(SPEC.format(network=TANH, rate=0.1, epochs=1))
    dataset, network = prepare(spec)
    trainer = Trainer(spec, dataset, network)
    watch = Watch(spec, dataset, network)
    trainer.listen(watch)
    trainer.train()
    assert watch.findings == ()
