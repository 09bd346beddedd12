"""A run from its first step to its outcome: events, the best weights, stopping, interruption."""

from __future__ import annotations

import json
import math
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.errors import SpecError
from bpcli.spec.model import Spec
from bpcli.spec.optimization import OPTIMIZERS
from bpcli.training import EpochEvent, Listener, Outcome, StepEvent, Trainer, evaluate

from .support import (
    MemoryDataset,
    MemoryTargets,
    dataset,
    layer,
    make_network,
    make_run,
    make_spec,
    make_trainer,
    part,
)

FAST = OPTIMIZERS["sgd"](0.5)


class Diary(Listener):
    """Everything a run tells, in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def started(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.events.append("started")

    def stepped(self, step: StepEvent) -> None:
        self.events.append(step)

    def epoch_ended(self, epoch: EpochEvent) -> None:
        self.events.append(epoch)

    def finished(self, outcome: Outcome) -> None:
        self.events.append(outcome)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def run(spec: Spec, data: MemoryDataset | None = None, **options: Any) -> tuple[Trainer, Diary]:
    diary = Diary()
    trainer = make_trainer(spec, data, listeners=[diary], **options)
    trainer.train()
    return trainer, diary


# what a run tells


def test_events_come_in_order_and_count_from_one() -> None:
    trainer, diary = run(make_spec(epochs=2))
    kinds = [event if isinstance(event, str) else type(event).__name__ for event in diary.events]
    steps = ["StepEvent"] * 6
    assert kinds == ["started", *steps, "EpochEvent", *steps, "EpochEvent", "Outcome"]
    found = diary.of(StepEvent)
    assert [event.step for event in found] == list(range(1, 13))
    assert [event.epoch for event in found] == [1] * 6 + [2] * 6
    assert [event.examples for event in found] == [4, 4, 4, 4, 4, 1] * 2
    outcome = diary.events[-1]
    assert (outcome.reason, outcome.epochs, outcome.steps) == ("finished", 2, 12)
    assert set(outcome.figures) == {"train", "validation", "test"}
    assert trainer.epochs == 2


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_examples() -> None:
    _, diary = run(make_spec(epochs=1))
    steps, (epoch,) = diary.of(StepEvent), diary.of(EpochEvent)
    mean = sum(step.loss * step.examples for step in steps) / 21
    assert epoch.train["loss"] == pytest.approx(mean, rel=1e-12)


def test_figures_at_the_end_are_those_of_the_weights_that_are_left() -> None:
    trainer, diary = run(make_spec(epochs=3))
    outcome = diary.events[-1]
    data = dataset()
    for name, examples in (("train", data.train), ("test", data.test)):
        assert examples is not None
        expected = evaluate(trainer.network, examples, MemoryTargets(), 4)
        assert outcome.figures[name] == expected


def test_a_listener_that_does_not_ask_is_not_told_of_steps() -> None:
    class Quiet(Listener):
        pass

    trainer = make_trainer(make_spec(), listeners=[Quiet()])
    assert trainer._on_step == []


# the same bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_seed_gives_the_same_bits_twice_and_another_does_not(dtype: str) -> None:
    def end(seed: int) -> tuple[bytes, Any]:
        spec = make_spec(
            layer("dense", units=6),
            layer("batch_norm"),
            layer("relu"),
            layer("dropout", rate=0.3),
            layer("dense", units=3),
            seed=seed,
            dtype=dtype,
            batch_size=6,
        )
        trainer, diary = run(spec)
        return trainer.network.parameters.vector.tobytes(), diary.of(StepEvent)

    assert end(0) == end(0)
    assert end(0) != end(1)


def test_evaluating_changes_no_bit() -> None:
    spec = make_spec(layer("dropout", rate=0.2), layer("dense", units=3), epochs=3)
    _, watched = run(spec)
    _, alone = run(spec, MemoryDataset(dataset().train))
    assert watched.of(StepEvent) == alone.of(StepEvent)


# the best weights and early stopping


class Weights(Listener):
    """A copy of the weights after each epoch."""

    def started(self, trainer: Trainer) -> None:
        self.trainer, self.kept = trainer, []

    def epoch_ended(self, epoch: EpochEvent) -> None:
        vector = self.trainer.network.parameters.vector.copy()
        self.kept: list[tuple[EpochEvent, np.ndarray]]
        self.kept.append((epoch, vector))


def overfitting(**options: Any) -> tuple[Trainer, Weights, Outcome]:
    """One class of the validation data is called another: after a while learning hurts there."""
    data = dataset()
    assert data.validation is not None
    data.validation.targets = np.maximum(data.validation.targets, 1)
    weights = Weights()
    spec = make_spec(optimizer=OPTIMIZERS["sgd"](0.02), epochs=40, **options)
    trainer = make_trainer(spec, data, listeners=[weights])
    return trainer, weights, trainer.train()


def test_early_stopping_waits_its_patience_and_gives_back_the_best_weights() -> None:
    trainer, weights, outcome = overfitting(early_stopping={"patience": 4})
    losses = [epoch.validation["loss"] for epoch, _ in weights.kept]
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1
    assert outcome.reason == "early_stopping"
    assert outcome.epochs == len(losses) == best + 1 + 4
    assert np.array_equal(trainer.network.parameters.vector, weights.kept[best][1])
    assert outcome.best == {
        "epoch": best + 1,
        "step": 6 * (best + 1),
        "metric": "validation.loss",
        "value": losses[best],
    }
    assert outcome.figures["validation"]["loss"] == pytest.approx(losses[best], rel=1e-6)
    # `best` marks each epoch that was the best until then
    marked = [loss < min(losses[:index], default=math.inf) for index, loss in enumerate(losses)]
    assert [epoch.best for epoch, _ in weights.kept] == marked


def test_without_early_stopping_the_best_weights_are_kept_too() -> None:
    trainer, weights, outcome = overfitting()
    losses = [epoch.validation["loss"] for epoch, _ in weights.kept]
    assert outcome.reason == "finished"
    assert len(losses) == 40
    best = int(np.argmin(losses))
    assert np.array_equal(trainer.network.parameters.vector, weights.kept[best][1])


def test_a_small_improvement_is_the_best_but_no_reason_to_go_on() -> None:
    """With `min_delta` no epoch after the first counts, but the best of them is still kept."""
    spec = make_spec(epochs=20, early_stopping={"patience": 3, "min_delta": 1.0})
    weights = Weights()
    trainer = make_trainer(spec, listeners=[weights])
    outcome = trainer.train()
    assert outcome.epochs == 4
    losses = [epoch.validation["loss"] for epoch, _ in weights.kept]
    assert outcome.best is not None
    assert outcome.best["value"] == min(losses)


def test_accuracy_is_better_when_it_is_larger() -> None:
    _, weights, outcome = overfitting(early_stopping={"metric": "train.accuracy", "patience": 30})
    figures = [epoch.train["accuracy"] for epoch, _ in weights.kept]
    assert outcome.best is not None
    assert outcome.best["value"] == max(figures)
    assert outcome.best["epoch"] == figures.index(max(figures)) + 1  # of equal ones the first


@pytest.mark.parametrize("metric", ["validation.r2", "validation.loss"])
def test_a_metric_that_there_is_not_is_refused_before_the_first_step(metric: str) -> None:
    data = MemoryDataset(part(21, 1))
    with pytest.raises(SpecError, match=r"metric must be one of train\.loss, train\.accuracy"):
        make_trainer(make_spec(early_stopping={"metric": metric}), data)


# not finite


def test_a_run_that_leaves_the_numbers_keeps_its_last_finite_checkpoint(tmp_path: Path) -> None:
    """Early steps go well and are saved one by one, then a row of the data overflows."""
    data = dataset()
    data.train.inputs = data.train.inputs.copy()
    directory = make_run(tmp_path)
    spec = make_spec(optimizer=FAST, epochs=3, checkpoint_steps=1)
    diary = Diary()
    trainer = make_trainer(spec, data, directory, listeners=[diary])

    class Poison(Listener):
        def stepped(self, step: StepEvent) -> None:
            if step.step == 8:
                data.train.inputs[:] = np.inf

    trainer.listen(Poison())
    outcome = trainer.train()
    found = outcome.non_finite
    assert outcome.reason == "non_finite"
    assert found is not None
    assert (found.step, found.epoch, found.layer) == (9, 2, "dense_1")
    assert (outcome.epochs, outcome.steps, outcome.figures) == (1, 8, {})

    tree, notes = directory.load_last()
    assert notes == []
    assert tree["steps"] == 8
    assert np.isfinite(tree["network"]["parameters"]).all()
    summary = directory.read_summary()
    assert summary is not None
    assert summary["reason"] == "non_finite"
    assert summary["stopped_by"]["step"] == 9
    assert summary["stopped_by"]["layer"] == "dense_1"
    assert not directory.finished

    # with the data mended the run goes on from there, as if nothing had happened
    again = make_trainer(spec, dataset(), directory)
    again.resume()
    expected = make_trainer(spec, dataset())
    assert again.train() == expected.train()
    assert np.array_equal(again.network.parameters.vector, expected.network.parameters.vector)


def test_a_run_without_a_validation_part_that_leaves_the_numbers() -> None:
    data = dataset()
    data.validation = None
    data.train.inputs = np.where(np.arange(21)[:, np.newaxis] == 20, np.inf, data.train.inputs)
    trainer = make_trainer(make_spec(optimizer=FAST, shuffle=False), data)
    outcome = trainer.train()
    assert (outcome.reason, outcome.steps, outcome.best) == ("non_finite", 5, None)
    assert np.isfinite(trainer.network.parameters.vector).all()


def test_a_run_in_another_thread_is_the_same_run(tmp_path: Path) -> None:
    """Only the main thread is told of signals."""
    here, there = (make_trainer(make_spec(), run=make_run(tmp_path)) for _ in range(2))
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(there.train).result()
    assert outcome == here.train()
    assert np.array_equal(here.network.parameters.vector, there.network.parameters.vector)


def test_a_validation_loss_that_is_not_finite_ends_the_run() -> None:
    data = dataset()
    assert data.validation is not None
    data.validation.inputs = np.full_like(data.validation.inputs, np.nan)
    outcome = make_trainer(make_spec(), data).train()
    found = outcome.non_finite
    assert found is not None
    assert (outcome.reason, found.quantity, found.step) == ("non_finite", "validation", 6)


# interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_step_at_hand(tmp_path: Path, number: int) -> None:
    directory = make_run(tmp_path)

    class Interrupt(Listener):
        def stepped(self, step: StepEvent) -> None:
            if step.step == 3:
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    outcome = make_trainer(make_spec(), run=directory, listeners=[Interrupt()]).train()
    assert (outcome.reason, outcome.signal) == ("interrupted", number)
    assert 3 <= outcome.steps <= 4  # the signal may arrive a moment later
    assert directory.load_last()[0]["steps"] == outcome.steps
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    class Impatient(Listener):
        def stepped(self, step: StepEvent) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as caught:
        make_trainer(make_spec(), run=make_run(tmp_path), listeners=[Impatient()]).train()
    assert caught.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_with_nothing_to_save_a_signal_means_what_it_always_does() -> None:
    class Interrupt(Listener):
        def stepped(self, step: StepEvent) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make_trainer(make_spec(), listeners=[Interrupt()]).train()


def test_an_interrupted_evaluation_is_done_again(tmp_path: Path) -> None:
    """A checkpoint stands before the end of an epoch until all of that is through."""
    spec, directory = make_spec(epochs=2), make_run(tmp_path)
    expected = make_trainer(spec).train()

    trainer = make_trainer(spec, run=directory)
    evaluate_part = trainer._evaluate

    def interrupted(examples: Any) -> Any:
        trainer.interrupt(2)
        return evaluate_part(examples)

    trainer._evaluate = interrupted  # type: ignore[method-assign]
    outcome = trainer.train()
    assert (outcome.reason, outcome.epochs, outcome.steps) == ("interrupted", 0, 6)
    again = make_trainer(spec, run=directory)
    again.resume()
    assert again.train() == expected


# the run directory


def test_metrics_have_a_line_an_epoch_as_the_events_say(tmp_path: Path) -> None:
    directory = make_run(tmp_path)
    _, diary = run(make_spec(epochs=3), None, run=directory)
    lines = [json.loads(line) for line in directory.metrics.path.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    for line, event in zip(lines, diary.of(EpochEvent), strict=True):
        assert line["train"] == event.train
        assert line["validation"] == event.validation
        assert line["best"] == event.best


def test_best_and_last_checkpoints_are_what_they_say(tmp_path: Path) -> None:
    directory = make_run(tmp_path)
    trainer, _ = run(make_spec(optimizer=FAST, epochs=10), None, run=directory)
    tree, _ = directory.load_weights()
    network = make_network(make_spec())
    network.parameters.vector[...] = tree["network"]["parameters"]
    figures = evaluate(network, dataset().validation, MemoryTargets(), 4)
    assert figures["loss"] == pytest.approx(tree["value"], rel=1e-6)
    assert np.array_equal(network.parameters.vector, trainer.network.parameters.vector)


def test_checkpoint_steps_are_kept(tmp_path: Path) -> None:
    """Every third step is saved, so a run that dies has lost two at most."""
    directory, saved = make_run(tmp_path), []
    save = directory.save_last

    def spy(tree: Any) -> None:
        saved.append(tree["steps"])
        save(tree)

    directory.save_last = spy  # type: ignore[method-assign]
    run(make_spec(epochs=2, checkpoint_steps=3), None, run=directory)
    assert saved == [0, 3, 6, 9, 12, 12]


def test_undefined_figures_are_no_numbers_in_json(tmp_path: Path) -> None:
    """R² of a constant target is undefined: null, for JSON has no NaN."""
    data = MemoryDataset(part(21, 1), targets=MemoryTargets("numbers"))
    data.train.targets = np.ones((21, 3), np.float32)
    directory = make_run(tmp_path)
    _, diary = run(make_spec(loss="mse", epochs=1), data, run=directory)
    assert math.isnan(diary.of(EpochEvent)[0].train["r2"])
    assert json.loads(directory.metrics.path.read_text())["train"]["r2"] is None
