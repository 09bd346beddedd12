"""Kills training at random moments and holds what is left against an uninterrupted run.

    python tests/reliability/crashes.py --kills 1000

Each kill is `kill -9` on a process that trains and saves after every step, so it often strikes
while a checkpoint is being written. The run is resumed until it ends; then its last checkpoint
and both logs must equal, byte for byte, those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from bpcli.cli.parameters import SpecRequest
from bpcli.cli.runs import begin, go_on

SPEC = """\
name: crash
seed: 3
data: {{generate: {{blobs: {{samples: 60}}}}, split: {{validation: 0.2}}}}
network: [{{dense: 8}}, relu, {dropout}{{dense: 3}}]
loss: cross_entropy
optimizer: {optimizer}
schedule: {schedule}
training: {{epochs: 4, batch_size: 8, checkpoint_steps: 1, accumulate: {accumulate}{stopping}}}
"""
OPTIMIZERS = (
    "{sgd: {learning_rate: 0.1}}",
    "{sgd: {learning_rate: 0.05, momentum: 0.9}}",
    "{adam: {learning_rate: 0.02}}",
)
VARIANTS = tuple(
    SPEC.format(optimizer=o, dropout=d, schedule=s, accumulate=a, stopping=e)
    for o, d, s, a, e in itertools.product(
        OPTIMIZERS,
        ("", "{dropout: 0.3}, "),
        ("constant", "{cosine: {warmup_steps: 3}}", "{plateau: {patience: 1}}"),
        (1, 3),
        ("", ", early_stopping: {patience: 2}"),
    )
)
MOST_KILLS = 25  # of one run
COMPARED = ("checkpoints/last.npz", "checkpoints/best.npz", "metrics.jsonl", "gradients.jsonl")


def train(spec: Path, runs: Path) -> None:
    """Begins the run, or goes on with it where there is one."""
    from bpcli.diagnosis.recorder import Recorder

    run = runs / "crash" / "1"
    if (run / "spec.yaml").exists():
        training = go_on(SpecRequest(None), run)
    else:  # nothing was begun, or killed before it was
        shutil.rmtree(runs, ignore_errors=True)
        training = begin(SpecRequest(str(spec)), runs)
    if training.trainer is not None:
        training.trainer.recorder = Recorder(training.trainer.stepper.total_steps)
        training.trainer.train()


def in_a_child(work: Callable[[], None], kill_after: float | None = None) -> int:
    """The exit status of a forked process, which may be killed on the way."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def undisturbed(spec: Path, folder: Path) -> tuple[dict[str, bytes], float]:
    """What a run leaves that nobody kills, and the seconds it takes."""
    begun = time.monotonic()
    if in_a_child(lambda: train(spec, folder)) != 0:
        raise SystemExit(f"{spec} does not train")
    return contents(folder), time.monotonic() - begun


def contents(runs: Path) -> dict[str, bytes]:
    run = runs / "crash" / "1"
    return {name: (run / name).read_bytes() for name in COMPARED if (run / name).exists()}


def difference(expected: bytes, found: bytes) -> str:
    """The first line that differs, of text."""
    pairs = itertools.zip_longest(expected.splitlines(), found.splitlines(), fillvalue=b"")
    where = next(((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b), (0, b"", b""))
    return f"line {where[0]}:\n  {where[1][:500]!r}\n  {where[2][:500]!r}"


def disturbed(
    spec: Path, folder: Path, seconds: float, chance: random.Random
) -> tuple[dict[str, bytes] | None, int]:
    """What a run leaves that is killed and resumed until it ends, and the number of kills; None
    where a resumed run failed."""
    killed = 0
    while killed < MOST_KILLS:
        status = in_a_child(lambda: train(spec, folder), chance.uniform(0, 0.6 * seconds))
        if status != -signal.SIGKILL:
            break
        killed += 1
    else:
        status = in_a_child(lambda: train(spec, folder))
    return (contents(folder) if status == 0 else None), killed


def campaign(kills: int, seed: int, report: Callable[[str], None] = print) -> int:
    """The number of runs that differ; 0 is what bpcli promises."""
    chance, done, differing, number = random.Random(seed), 0, 0, 0
    variants = list(VARIANTS)
    chance.shuffle(variants)
    with tempfile.TemporaryDirectory() as temporary:
        while done < kills:
            text = variants[number % len(variants)]
            folder = Path(temporary, str(number))
            folder.mkdir()
            spec = folder / "crash.yaml"
            spec.write_text(text)
            expected, seconds = undisturbed(spec, folder / "whole")
            found, killed = disturbed(spec, folder / "killed", seconds, chance)
            left = list((folder / "killed").rglob("*.tmp"))
            if found != expected or left:
                differing += 1
                report(f"run {number} differs after {killed} kills {left or ''}\n{text}")
                for name, content in (found or {}).items():
                    if content != expected[name]:
                        report(f"{name}: {difference(expected[name], content)}")
            done, number = done + killed, number + 1
    report(f"{done} kills in {number} runs, {differing} runs differ")
    return differing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sys.exit(bool(campaign(arguments.kills, arguments.seed)))
