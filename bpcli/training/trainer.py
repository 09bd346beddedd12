"""The training run: epochs of steps, what is measured and kept between them, and how it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import Any, Protocol

import numpy as np

from bpcli.errors import Problem, SpecError
from bpcli.network import Network
from bpcli.spec.model import Spec
from bpcli.training.batches import Rows
from bpcli.training.checkpoint import Tree, network_tree, of_this_run, restore_network
from bpcli.training.events import (
    EpochEvent,
    Listener,
    NonFinite,
    Outcome,
    Recorder,
    StepEvent,
)
from bpcli.training.interruption import signals_to
from bpcli.training.log import RunLog
from bpcli.training.metrics import Figures, Meter, Targets, evaluate
from bpcli.training.records import CHECKPOINT
from bpcli.training.run_directory import RunDirectory
from bpcli.training.screening import NonFiniteError
from bpcli.training.stepper import Stepper
from bpcli.training.stopping import Best, Metric, Patience

CHECKPOINT_SECONDS = 5.0


class _Preparation(Protocol):
    @property
    def targets(self) -> Targets: ...


class Data(Protocol):
    """What training needs of a data set."""

    @property
    def train(self) -> Rows: ...
    @property
    def validation(self) -> Rows | None: ...
    @property
    def test(self) -> Rows | None: ...
    @property
    def preparation(self) -> _Preparation: ...


class _Interrupted(Exception):  # noqa: N818  a way out, not an error
    pass


class Trainer:
    """Trains a network as a spec says.

    Same spec, same seed: the same bits, and a run that :meth:`resume` takes up anywhere ends with
    the weights of the uninterrupted one. With a ``run``, everything worth keeping is written
    there. Raises SpecError for an early-stopping metric that there is not.
    """

    def __init__(
        self,
        spec: Spec,
        dataset: Data,
        network: Network,
        *,
        run: RunDirectory | None = None,
        listeners: Sequence[Listener] = (),
        recorder: Recorder | None = None,
    ) -> None:
        self.spec, self.dataset, self.network, self.run = spec, dataset, network, run
        self.recorder = recorder
        self.epochs = 0  # whole ones so far
        self.stepper = Stepper(spec, dataset.train, network)
        self.meter = Meter(dataset.preparation.targets)
        self.stepper.on_batch = self.meter.add
        self.best, self.patience = self._watch()

        self._log = RunLog(run) if run is not None else None
        self._listeners: list[Listener] = [self._log] if self._log else []
        self._on_step: list[Callable[[StepEvent], None]] = []
        for listener in listeners:
            self.listen(listener)
        self._signal: int | None = None
        self._resumed = False
        self._recorded: Tree = {}  # where the recorder stood, of a run that was resumed
        self._saved_at = -math.inf

    def listen(self, listener: Listener) -> None:
        """Tells the listener of the run too, from now on."""
        self._listeners.append(listener)
        if _overrides_stepped(listener):
            self._on_step.append(listener.stepped)

    def _watch(self) -> tuple[Best | None, Patience | None]:
        """The best weights are those by the early-stopping metric, else by validation.loss."""
        options = self.spec.training.early_stopping
        parts = ["train", "validation"] if self.dataset.validation is not None else ["train"]
        if options is None:
            return (Best(Metric("validation.loss")) if "validation" in parts else None), None
        known = [f"{part}.{figure}" for part in parts for figure in self.meter.names]
        if options.metric not in known:
            raise self._unknown_metric(options.metric, known)
        return Best(Metric(options.metric)), Patience(options)

    def _unknown_metric(self, metric: str, known: Iterable[str]) -> SpecError:
        path = "training.early_stopping.metric"
        source = self.spec.source
        reason = ""
        if metric.startswith("validation.") and self.dataset.validation is None:
            reason = "; the data have no validation part (`split: {validation: 0.1}` makes one)"
        message = (
            f"metric must be one of {', '.join(known)}, received {metric!r}, at {path}{reason}"
        )
        return SpecError([Problem(message, source.file, *source.place(path))])

    # -- the run

    def train(self) -> Outcome:
        """Trains to the end, an interruption or the first value that is not finite.

        Ctrl-C and SIGTERM end it after the step at hand, with everything saved; without a run
        directory there is nothing to save, and they mean what they always do. Afterwards the
        network has the best weights if there are any, else the last. Raises WriteError.
        """
        signals = nullcontext() if self.run is None else signals_to(self.interrupt)
        try:
            if self.run is not None:
                self.run.lock()
            with np.errstate(all="ignore"), signals:
                self._restore_recorder()
                for listener in self._listeners:
                    listener.started(self)
                outcome = self._outcome()
                for listener in self._listeners:
                    listener.finished(outcome)
                return outcome
        finally:
            if self.run is not None:
                self.run.release()

    def interrupt(self, signal: int) -> None:
        """Ends training after the step at hand; the outcome names the signal."""
        self._signal = signal

    def _outcome(self) -> Outcome:
        try:
            reason = self._run_epochs()
            if self.best is not None:
                self.best.put_into(self.network)
            return self._ended(reason, figures=self._figures())
        except _Interrupted:
            return self._ended("interrupted", signal=self._signal)
        except NonFiniteError as error:
            self.network.observe(None)  # a recorder may still look on
            if self.best is not None:
                self.best.put_into(self.network)
            return self._ended("non_finite", non_finite=error.found)

    def _ended(
        self,
        reason: str,
        *,
        figures: dict[str, Figures] | None = None,
        non_finite: NonFinite | None = None,
        signal: int | None = None,
    ) -> Outcome:
        best = self.best.summary() if self.best is not None else None
        return Outcome(
            reason, self.epochs, self.stepper.steps, figures or {}, best, non_finite, signal
        )

    def _run_epochs(self) -> str:
        if not self._resumed:
            self._save()  # so that there is something to resume from at once
        with suppress(_Interrupted):
            while not self._done():
                self._run_epoch()
                self._end_epoch()
        self._save()
        self._leave_if_interrupted()
        return "early_stopping" if self.epochs < self.spec.training.epochs else "finished"

    def _done(self) -> bool:
        stopped = self.patience is not None and self.patience.exhausted
        return stopped or self.epochs >= self.spec.training.epochs

    def _run_epoch(self) -> None:
        """The steps that are left of this epoch."""
        batches, every = self.stepper.batches, self.spec.training.checkpoint_steps
        while not batches.exhausted:
            self._step()
            self._leave_if_interrupted()
            due = every is not None and self.stepper.steps % every == 0
            if due or time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
                self._save()

    def _step(self) -> None:
        stepper, recorder = self.stepper, self.recorder
        if recorder is None or not recorder.wants(stepper.steps + 1):
            loss = stepper.step()
            if recorder is not None:
                recorder.passed(loss, stepper.gradient_norm)
            if self._on_step:
                self._tell_step(self._step_event(loss, None))
            return
        loss = stepper.step(recorder)
        line = recorder.end(stepper.steps, self.epochs + 1, loss)
        event = self._step_event(loss, line)
        if self._log is not None:
            self._log.recorded(event)
        self._tell_step(event)

    def _step_event(self, loss: float, line: dict[str, Any] | None) -> StepEvent:
        stepper = self.stepper
        return StepEvent(
            stepper.steps,
            self.epochs + 1,
            loss,
            stepper.learning_rate,
            stepper.gradient_norm,
            stepper.examples,
            line["layers"] if line else None,
            line.get("extremes") if line else None,
        )

    def _tell_step(self, event: StepEvent) -> None:
        for stepped in self._on_step:
            stepped(event)

    # -- between epochs

    def _end_epoch(self) -> None:
        """Measures and keeps; until that is through, a checkpoint stands before it."""
        figures = {"train": self.meter.figures()}
        if self.dataset.validation is not None:
            figures["validation"] = self._evaluate(self.dataset.validation)
            if not math.isfinite(figures["validation"]["loss"]):
                raise NonFiniteError(
                    NonFinite(self.stepper.steps, self.epochs + 1, "validation", None)
                )
        self.stepper.schedule.epoch_ended(figures.get("validation", figures["train"])["loss"])
        self.epochs += 1
        self.meter.reset()
        self.stepper.batches.rewind()
        improved = self.best is not None and self.best.offer(
            figures, self.network, epoch=self.epochs, steps=self.stepper.steps
        )
        if self.patience is not None:
            self.patience.epoch_ended(figures)
        self._save_best(improved)
        event = EpochEvent(
            self.epochs,
            self.stepper.steps,
            self.stepper.learning_rate,
            figures["train"],
            figures.get("validation"),
            improved,
        )
        for listener in self._listeners:
            listener.epoch_ended(event)

    def _evaluate(self, part: Rows) -> Figures:
        return evaluate(
            self.network,
            part,
            self.dataset.preparation.targets,
            self.spec.training.batch_size,
            stop=self._leave_if_interrupted,
        )

    def _leave_if_interrupted(self) -> None:
        if self._signal is not None:
            raise _Interrupted

    def _figures(self) -> dict[str, Figures]:
        """Of all parts, with the weights that the network has now."""
        parts = {"train": self.dataset.train, "validation": self.dataset.validation}
        parts["test"] = self.dataset.test
        return {name: self._evaluate(part) for name, part in parts.items() if part is not None}

    # -- checkpoints

    def state(self) -> Tree:
        """Everything that the rest of the run depends on."""
        return {
            "epochs": self.epochs,
            "steps": self.stepper.steps,
            "network": network_tree(self.network),
            "stepper": self.stepper.state(),
            "meter": self.meter.state(),
            "patience": self.patience.state() if self.patience is not None else None,
            "best": self.best.tree if self.best is not None else None,
            "recorder": self.recorder.state() if self.recorder is not None else self._recorded,
        }

    def restore(self, tree: Tree) -> None:
        """Puts everything where :meth:`state` found it; raises CheckpointError on another run's."""
        with of_this_run(tree, CHECKPOINT):
            restore_network(self.network, tree["network"])
            self.stepper.restore(tree["stepper"])
            self.meter.restore(tree["meter"], self.network.nodes[-1].output_shape)
            if self.patience is not None:
                self.patience.restore(tree["patience"])
            if self.best is not None:
                self.best.restore(tree["best"], self.network)
            self.epochs, epochs = tree["epochs"], self.spec.training.epochs
            if self.epochs > epochs:
                raise ValueError(f"it has made {self.epochs} epochs, this run has {epochs}")
            self._recorded = tree.get("recorder", {})
        self._resumed = True

    def _restore_recorder(self) -> None:
        """A recorder comes after the checkpoint was read: it is none of the run's own."""
        if self.recorder is None or not self._recorded:
            return
        with of_this_run(self._recorded, object):
            self.recorder.restore(self.network, self._recorded)
        self._recorded = {}

    def resume(self) -> list[str]:
        """Goes back to the run's newest good checkpoint; returns what the user should know.

        Lines of the logs that the checkpoint does not know of are cut off, and `best.npz` becomes
        the checkpoint's. A run that was killed before its first checkpoint starts anew. Raises
        CheckpointError where there are checkpoints and none is good.
        """
        run = self.run
        assert run is not None, "only a trainer with a run can resume"
        run.lock()
        if run.restart():
            return [f"{run.path} has no checkpoint yet; it starts from the beginning"]
        tree, notes = run.load_last()
        self.restore(tree)
        run.retire_damaged()
        notes += self._cut_logs(run, recorded=bool(tree.get("recorder")))
        self._save_best(tree["best"] is not None)
        self._saved_at = time.monotonic()
        return notes

    def _cut_logs(self, run: RunDirectory, *, recorded: bool) -> list[str]:
        """Removes the lines that the checkpoint does not know of; notes what somebody did to the
        others. ``recorded``: whether there must be gradients."""
        notes = []
        metrics, gradients = run.metrics.cut(self.epochs), run.gradients.cut(self.stepper.steps)
        if metrics.lines < self.epochs:
            notes.append(f"{run.metrics.path}: lines of earlier epochs are missing")
        if recorded and self.stepper.steps and not gradients.lines:
            notes.append(f"{run.gradients.path}: the lines of earlier steps are missing")
        for log, kept in ((run.metrics, metrics), (run.gradients, gradients)):
            places = ", ".join(f"{log.path}:{number}" for number in kept.strange[:3])
            if places:
                notes.append(f"{places}: not a line of this log; it is left as it is")
        return notes

    def _save(self) -> None:
        if self.run is None:
            return
        self.stepper.screen_moments()
        self.run.save_last(self.state())
        self._saved_at = time.monotonic()

    def _save_best(self, improved: bool) -> None:
        if improved and self.run is not None and self.best is not None:
            assert self.best.tree is not None
            self.run.save_best(self.best.tree)


def _overrides_stepped(listener: Listener) -> bool:
    return type(listener).stepped is not Listener.stepped
