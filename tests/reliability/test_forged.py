"""Checkpoints whose digest is right, but not what stands in them: somebody wrote them."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.cli.parameters import SpecRequest
from bpcli.cli.runs import begin
from bpcli.diagnosis.recorder import Recorder
from bpcli.training import Listener, StepEvent, Trainer, checkpoint
from reliability.fuzz import ODD, a_run, say

Place = tuple[str, ...]


def places(tree: dict[str, Any], above: Place = ()) -> Iterator[Place]:
    for name, value in tree.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


def another(value: Any, chance: random.Random) -> Any:
    """An array of another shape, kind or content, or something else altogether."""
    if isinstance(value, np.ndarray) and chance.random() < 0.85:
        return chance.choice(
            [value[:-1], np.concatenate([value.reshape(-1)] * 2), value.astype(np.int64),
             np.full(value.shape, np.nan), value.reshape(1, -1), value.astype(complex),
             np.full(value.shape, 1e308), np.array(3.0)]
        )  # fmt: skip
    return chance.choice([*ODD, 3, 2**31, 2**63 - 1, -(2**63), np.zeros(3), np.array(["a"])])


def forged(good: dict[str, Any], chance: random.Random) -> bytes:
    tree = copy.deepcopy(good)
    for _ in range(chance.choice((1, 1, 2))):
        *above, name = chance.choice([*places(tree)])
        inside = tree
        for each in above:
            inside = inside[each]
        if chance.random() < 0.2:
            del inside[name]
        else:
            inside[name] = another(inside[name], chance)
    return checkpoint._to_bytes(tree)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # weights of 1e308, as the program has it
@pytest.mark.parametrize("number", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_forged_checkpoints_are_used_or_refused(tmp_path: Path, number: int) -> None:
    files, chance = a_run(), random.Random(4)
    run = tmp_path / "a" / "1"
    for name, content in files.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    good = checkpoint.load(run / "checkpoints" / "last.npz")
    for _ in range(number):
        content = forged(good, chance)
        for name in ("last", "best", "previous"):
            (run / "checkpoints" / f"{name}.npz").write_bytes(content)
        if chance.random() < 0.3:  # the weights of the best epoch are in the last one too
            (run / "checkpoints" / "best.npz").unlink()
        for name in ("summary.json", "metrics.jsonl", "gradients.jsonl"):
            (run / name).write_bytes(files[name])
        command = chance.choice((("evaluate",), ("train", "--quiet", "--resume")))
        if command[0] == "train":
            (run / "summary.json").unlink()
        code, message = say(*command, run)
        assert code in (0, 1, 2, 3), message


INTERRUPTED = """\
name: a
data: {{{data}, split: {{validation: 0.2}}}}
network: [{{dense: 4}}, {activation}, {{dropout: 0.2}}, {{dense: 3}}, {activation},
  {{dense: {outputs}}}]
loss: {loss}
optimizer: {optimizer}
schedule: {schedule}
training: {{epochs: 4, batch_size: 8, accumulate: {accumulate},
  early_stopping: {{metric: validation.loss, patience: 2}}}}
"""
KINDS = {
    "classes": {
        "data": "generate: {circles: {samples: 60}}", "activation": "relu", "outputs": 2,
        "loss": "cross_entropy", "optimizer": "adam", "schedule": "{plateau: {patience: 1}}",
        "accumulate": 1,
    },
    "numbers": {
        "data": "path: a.csv, target: [y, z]", "activation": "tanh", "outputs": 2, "accumulate": 2,
        "loss": "mse", "optimizer": "{sgd: {momentum: 0.9}}",
        "schedule": "{exponential: {factor: 0.5, every: 2}}",
    },
}  # fmt: skip


class Stop(Listener):
    """Ends a run in the middle of its second epoch, when there is something in all that is kept."""

    def started(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def stepped(self, step: StepEvent) -> None:
        if step.epoch == 2 and step.step % self.trainer.stepper.steps_per_epoch == 2:
            self.trainer.interrupt(2)


def interrupted(folder: Path, kind: str) -> Path:
    spec = folder / "a.yaml"
    spec.write_text(INTERRUPTED.format(**KINDS[kind]))
    rows = np.random.default_rng(0).standard_normal((60, 4)).round(3)
    table = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
    (folder / "a.csv").write_text(f"x,w,y,z\n{table}")
    training = begin(SpecRequest(str(spec)), folder)
    trainer = training.trainer
    assert trainer is not None
    trainer.recorder = Recorder(trainer.stepper.total_steps)
    trainer.listen(Stop())
    assert trainer.train().reason == "interrupted"
    (training.run.path / "summary.json").unlink()
    return training.run.path


def every_forgery(
    good: dict[str, Any], share: float, chance: random.Random
) -> Iterator[tuple[str, bytes]]:
    """(what was done, the checkpoint): each value left out, and each replaced by each odd one, or
    a share of them."""
    for *above, name in places(good):
        place = ".".join((*above, name))
        for number, odd in enumerate((None, *SUBSTITUTES)):
            if chance.random() > share:
                continue
            tree = copy.deepcopy(good)
            inside = tree
            for each in above:
                inside = inside[each]
            value = inside.pop(name)
            with suppress(ValueError, TypeError, IndexError):  # what cannot be done to the value
                if number:
                    inside[name] = odd(value) if callable(odd) else odd
                yield f"{place} {number}", checkpoint._to_bytes(tree)


def as_array(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise TypeError
    return value


SUBSTITUTES = (
    *ODD, 3, 2**31, 2**62, 2**63 - 1, -(2**62), -(2**63), np.zeros(3), np.zeros((2, 2)),
    np.array(["a"]), [0.5], [[1, 2]], [1.0, 2.0, 3.0], {"now": None}, np.ones(0),
    lambda value: as_array(value)[:-1], lambda value: as_array(value).reshape(1, -1),
    lambda value: as_array(value).astype(np.int64), lambda value: as_array(value).astype(complex),
    lambda value: as_array(value) * np.nan, lambda value: as_array(value) * 0 - 7,
    lambda value: as_array(value).reshape(-1)[0], lambda value: as_array(value).astype("f4") * 1e30,
    lambda value: value[:-1], lambda value: [*value, *value], lambda value: value + 1,
    lambda value: -value, lambda value: value * 1.5,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, pytest.param(1.0, marks=pytest.mark.slow)])
def test_whatever_stands_in_a_value_s_place_is_used_or_refused(
    tmp_path: Path, kind: str, share: float
) -> None:
    run = interrupted(tmp_path, kind)
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    good = checkpoint.load(run / "checkpoints" / "last.npz")
    broken = []
    for done, content in every_forgery(good, share, random.Random(5)):
        shutil.rmtree(run)
        (run / "checkpoints").mkdir(parents=True)
        for path, whole in files.items():
            path.write_bytes(content if path.suffix == ".npz" else whole)
        for command in (("evaluate",), ("train", "--quiet", "--resume")):
            code, message = say(*command, run)
            if code not in (0, 1, 2, 3):
                broken.append(f"{done}: {message.splitlines()[0]}")
    assert not broken, "\n".join(broken)


def test_one_that_is_no_mapping_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(checkpoint._to_bytes({"format": np.zeros(2)}))
    with pytest.raises(checkpoint.CheckpointError, match="expected a checkpoint of format 1"):
        checkpoint.load(path)


def test_a_log_of_another_network_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "a" / "1"
    for name, content in a_run().items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    log = run / "gradients.jsonl"
    log.write_bytes(log.read_bytes().replace(b"dense_2", b"dense_3"))
    code, message = say("diagnose", run)
    assert code == 2
    assert "step 1 has a layer 'dense_3', which this run's network has not" in message
