"""A run taken up anywhere ends with the bits of the uninterrupted one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.errors import CheckpointError
from bpcli.spec.model import Spec
from bpcli.spec.optimization import OPTIMIZERS, SCHEDULES
from bpcli.training import Listener, Outcome, RunDirectory, StepEvent, Trainer, checkpoint
from bpcli.training.metrics import Meter

from .support import InterruptAt, MemoryTargets, dataset, layer, make_run, make_spec, make_trainer

OPTIMIZER = {
    "sgd": OPTIMIZERS["sgd"](0.1),
    "momentum": OPTIMIZERS["sgd"](0.05, momentum=0.9),
    "nesterov": OPTIMIZERS["sgd"](0.05, momentum=0.9, nesterov=True),
    "rmsprop": OPTIMIZERS["rmsprop"](0.01, momentum=0.5),
    "adagrad": OPTIMIZERS["adagrad"](0.1),
    "adam": OPTIMIZERS["adam"](0.02),
    "adamw": OPTIMIZERS["adamw"](0.02, weight_decay=0.1),
}
SCHEDULE = {
    "constant": SCHEDULES["constant"](warmup_steps=3),
    "step": SCHEDULES["step"](every=2, factor=0.7),
    "exponential": SCHEDULES["exponential"](every=3),
    "cosine": SCHEDULES["cosine"](),
    "linear": SCHEDULES["linear"](warmup_steps=2),
    "one_cycle": SCHEDULES["one_cycle"](),
    # an epoch counts as better only at a tenth of the loss: a plateau after the third
    "plateau": SCHEDULES["plateau"](patience=1, factor=0.5, min_delta=0.9),
}
SWITCHES = ("dropout", "accumulate", "stopping", "batch_norm")


def spec_of(optimizer: str, schedule: str, switches: tuple[str, ...]) -> Spec:
    """Two epochs of four steps; four for a plateau; three of which early stopping leaves two."""
    options: dict[str, Any] = {"epochs": 4 if schedule == "plateau" else 2, "clip_norm": 1.0}
    if "stopping" in switches:
        options["early_stopping"] = {"metric": "train.loss", "patience": 1, "min_delta": 10.0}
        options["epochs"] = 3
    if "accumulate" in switches:
        options |= {"accumulate": 2, "batch_size": 3}  # seven batches, so the last stands alone
    layers = [
        layer("dense", units=6),
        *([layer("batch_norm")] if "batch_norm" in switches else []),
        layer("tanh"),
        *([layer("dropout", rate=0.3)] if "dropout" in switches else []),
        layer("dense", units=3),
    ]
    return make_spec(
        *layers,
        optimizer=OPTIMIZER[optimizer],
        schedule=SCHEDULE[schedule],
        l2=0.01,
        **({"batch_size": 6} | options),
    )


class Snapshots(Listener):
    """The bytes of a checkpoint after every step."""

    def started(self, trainer: Trainer) -> None:
        self.trainer, self.taken = trainer, [checkpoint._to_bytes(trainer.state())]

    def stepped(self, step: StepEvent) -> None:
        self.taken.append(checkpoint._to_bytes(self.trainer.state()))


def end(trainer: Trainer) -> tuple[bytes, Outcome]:
    """Everything that a finished run is: its last state and what it says of itself."""
    outcome = trainer.train()
    return checkpoint._to_bytes(trainer.state()), outcome


def check_every_step(spec: Spec) -> None:
    snapshots = Snapshots()
    whole, outcome = end(make_trainer(spec, listeners=[snapshots]))
    assert outcome.steps == 4 * (2 if spec.training.early_stopping else spec.training.epochs)
    assert len(set(snapshots.taken)) == outcome.steps + 1
    for taken in snapshots.taken:
        trainer = make_trainer(spec)
        trainer.restore(checkpoint._from_bytes(taken))
        assert end(trainer) == (whole, outcome)


SUBSETS = [
    switches
    for count in range(len(SWITCHES) + 1)
    for switches in itertools.combinations(SWITCHES, count)
]
PAIRS = list(itertools.product(OPTIMIZER, SCHEDULE))


def named(optimizer: str, schedule: str, switches: tuple[str, ...]) -> Any:
    return pytest.param(
        optimizer, schedule, switches, id="-".join((optimizer, schedule, *switches))
    )


# each optimizer with each schedule, and every set of switches three times
SOME = [named(*pair, SUBSETS[index % len(SUBSETS)]) for index, pair in enumerate(PAIRS)]
ALL = [named(*pair, switches) for pair in PAIRS for switches in SUBSETS]


@pytest.mark.parametrize(("optimizer", "schedule", "switches"), SOME)
def test_resumed_at_every_step(optimizer: str, schedule: str, switches: tuple[str, ...]) -> None:
    check_every_step(spec_of(optimizer, schedule, switches))


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "schedule", "switches"), ALL)
def test_resumed_at_every_step_of_all(
    optimizer: str, schedule: str, switches: tuple[str, ...]
) -> None:
    check_every_step(spec_of(optimizer, schedule, switches))


def files(run: RunDirectory) -> dict[str, Any]:
    """What must not depend on interruptions: all but the clock, and `previous.npz`, the checkpoint
    before the last."""
    found: dict[str, Any] = {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and path.name != "previous.npz"
    }
    summary = json.loads(found.pop("summary.json"))
    found["summary"] = {name: summary[name] for name in summary if name not in CLOCK}
    return found


CLOCK = ("started", "finished")


@pytest.mark.parametrize(
    ("optimizer", "schedule", "switches"),
    [
        ("adam", "cosine", ("dropout", "batch_norm")),
        ("nesterov", "plateau", ("accumulate", "stopping", "dropout")),
    ],
)
def test_interrupted_at_every_step_the_run_directory_ends_the_same(
    tmp_path: Path, optimizer: str, schedule: str, switches: tuple[str, ...]
) -> None:
    spec = spec_of(optimizer, schedule, switches)
    run = make_run(tmp_path)
    expected = make_trainer(spec, run=run).train()
    whole = files(run)
    for step in range(1, expected.steps + 1):
        run = make_run(tmp_path)
        outcome = make_trainer(spec, run=run, listeners=[InterruptAt(step)]).train()
        assert (outcome.reason, outcome.signal, outcome.steps) == ("interrupted", 2, step)
        assert not outcome.figures
        trainer = make_trainer(spec, run=RunDirectory.open(run.path))
        assert trainer.resume() == []
        assert trainer.train() == expected
        assert files(run) == whole


def test_a_run_that_is_interrupted_again_and_again(tmp_path: Path) -> None:
    spec = spec_of("adamw", "one_cycle", ("dropout", "batch_norm"))
    expected = end(make_trainer(spec))
    run = make_run(tmp_path)
    make_trainer(spec, run=run, listeners=[InterruptAt(1)]).train()
    for step in range(2, expected[1].steps + 1):
        trainer = make_trainer(spec, run=run, listeners=[InterruptAt(step)])
        trainer.resume()
        trainer.train()
    trainer = make_trainer(spec, run=run)
    trainer.resume()
    assert end(trainer) == expected


def test_a_run_that_ended_before_its_first_checkpoint_starts_anew(tmp_path: Path) -> None:
    spec, run = spec_of("adam", "cosine", ("dropout",)), make_run(tmp_path)
    run.metrics.path.write_text("")
    run.checkpoints.rmdir()
    trainer = make_trainer(spec, run=run)
    assert trainer.resume() == [f"{run.path} has no checkpoint yet; it starts from the beginning"]
    assert end(trainer) == end(make_trainer(spec))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    make_trainer(spec_of("adam", "cosine", ()), run=run).train()
    with pytest.raises(CheckpointError, match="the checkpoint is of another network: "):
        make_trainer(spec_of("adam", "cosine", ("batch_norm",)), run=run).resume()
    with pytest.raises(CheckpointError, match="the checkpoint is of another run: 'velocity'"):
        make_trainer(spec_of("momentum", "cosine", ()), run=run).resume()
    tree, _ = run.load_last()
    tree["steps"] = "many"
    run.save_last(tree)
    with pytest.raises(CheckpointError, match=r"another run: `steps` must be a whole number"):
        make_trainer(spec_of("adam", "cosine", ()), run=run).resume()


def test_a_run_without_a_validation_part_is_taken_up_too(tmp_path: Path) -> None:
    spec, run, data = spec_of("adam", "cosine", ()), make_run(tmp_path), dataset()
    data.validation = None
    make_trainer(spec, data, run, listeners=[InterruptAt(5)]).train()
    trainer = make_trainer(spec, data, run)
    assert trainer.resume() == []
    assert end(trainer) == end(make_trainer(spec, data))


def test_resuming_tells_of_epochs_that_the_log_has_lost(tmp_path: Path) -> None:
    spec, run = spec_of("adam", "cosine", ()), make_run(tmp_path)
    make_trainer(spec, run=run, listeners=[InterruptAt(6)]).train()
    run.metrics.path.write_text("")
    trainer = make_trainer(spec, run=run)
    assert trainer.resume() == [f"{run.metrics.path}: lines of earlier epochs are missing"]
    assert end(trainer) == end(make_trainer(spec))


def test_resuming_tells_of_lines_that_somebody_else_wrote(tmp_path: Path) -> None:
    spec, run = spec_of("adam", "cosine", ()), make_run(tmp_path)
    make_trainer(spec, run=run, listeners=[InterruptAt(13)]).train()
    first, second = run.metrics.path.read_text().splitlines(keepends=True)
    run.metrics.path.write_text(f"{first}mine\n{second}")
    trainer = make_trainer(spec, run=run)
    strange = f"{run.metrics.path}:2: not a line of this log; it is left as it is"
    assert trainer.resume() == [strange]
    assert run.metrics.path.read_text() == f"{first}mine\n{second}"
    run.metrics.path.write_text(second)
    assert make_trainer(spec, run=run).resume() == [
        f"{run.metrics.path}: lines of earlier epochs are missing"
    ]


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    spec, run = spec_of("rmsprop", "linear", ()), make_run(tmp_path)
    expected = make_trainer(spec, run=run).train()
    whole = files(run)
    trainer = make_trainer(spec, run=run)
    trainer.resume()
    assert trainer.train() == expected
    assert files(run) == whole


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("epochs", 99, "it has made 99 epochs, this run has"),
        ("stepper.steps", 999, "it has made 999 steps, this run has"),
        ("stepper.optimizer.steps", 1, "its optimizer has made 1 steps"),
        ("stepper.batches.order", np.zeros(21, np.int64), "its order of examples is not one of 21"),
        ("stepper.batches.order", None, "its order of examples is not one of 21"),
        ("stepper.batches.position", 22, "it has seen 22 examples of 21"),
        ("network.parameters", np.zeros((1, 3), np.float32), "float32 numbers of shape"),
        ("best", {}, "`best.network` is missing"),
    ],
)
def test_a_checkpoint_that_contradicts_its_run_is_refused(
    tmp_path: Path, place: str, value: Any, reason: str
) -> None:
    spec, run = spec_of("adam", "cosine", ()), make_run(tmp_path)
    make_trainer(spec, run=run, listeners=[InterruptAt(8)]).train()
    tree, _ = run.load_last()
    *above, name = place.split(".")
    inside = tree
    for each in above:
        inside = inside[each]
    inside[name] = value
    with pytest.raises(CheckpointError, match=f"the checkpoint is of another run: .*{reason}"):
        make_trainer(spec, run=run).restore(tree)
    if place == "stepper.batches.order":  # at the start of an epoch another one is drawn
        tree["stepper"]["batches"]["position"] = 0
        make_trainer(spec, run=run).restore(tree)


@pytest.mark.parametrize(
    ("name", "value"), [("sums", np.zeros((4, 9))), ("outputs", np.zeros((2, 9)))]
)
def test_sums_of_errors_of_another_network_are_refused(name: str, value: Any) -> None:
    meter = Meter(MemoryTargets("numbers"))
    meter.add(np.ones((3, 2)), np.zeros((3, 2)), 1.0)
    state = meter.state()
    state["metric"][name] = value
    with pytest.raises(ValueError, match=r"its (sums of errors|outputs and targets) are not of"):
        Meter(MemoryTargets("numbers")).restore(state, (2,))
