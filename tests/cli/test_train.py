"""`bpcli train`: what it prints, what it leaves behind, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from training.support import InterruptAt

from bpcli.cli.commands.train import _exit_code
from bpcli.cli.parameters import SpecRequest
from bpcli.cli.runs import begin
from bpcli.diagnosis.finding import Finding
from bpcli.training import Outcome
from bpcli.training.checkpoint import load

from .program import SPEC, Ended, bpcli, checked, command, environment, inside, results, write_spec

LONG = SPEC.replace("epochs: 3", "epochs: 100000")


def last_weights(run: Path) -> np.ndarray:
    weights: np.ndarray = load(run / "checkpoints/last.npz")["network"]["parameters"]
    return weights


def contents(run: Path) -> dict[str, bytes]:
    files = (path for path in run.rglob("*") if path.is_file())
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def test_a_run_leaves_its_directory_and_prints_its_figures(folder: Path) -> None:
    ended = bpcli("train", "small.yaml", folder=folder)
    assert ended.returncode == 0
    assert set(contents(folder / "runs/small/1")) == {
        "spec.yaml", "environment.json", "preparation.json", "metrics.jsonl", "gradients.jsonl",
        "summary.json", "checkpoints/last.npz", "checkpoints/best.npz", "checkpoints/previous.npz",
    }  # fmt: skip
    assert ended.stdout.startswith("small · 3 epochs · 15 steps")
    for part in ("train", "validation", "test"):
        assert re.search(rf"^{part} +[\d.]+ +[\d.]+%$", ended.stdout, re.MULTILINE)
    assert "bpcli evaluate runs/small/1" in ended.stdout
    blas = json.loads((folder / "runs/small/1/environment.json").read_text())["blas"]
    assert {"core_type", "threads", "chosen", "reason"} <= set(blas)


def test_json(folder: Path) -> None:
    document = results("train", "small.yaml")
    assert document["run"] == "runs/small/1"
    assert (document["epochs"], document["steps"]) == (3, 15)
    assert document["findings"] == []
    for part in ("train", "validation", "test"):
        assert set(document[part]) == {"loss", "accuracy"}
    assert document["best"]["metric"] == "validation.loss"
    assert document["validation"]["loss"] == document["best"]["value"]


def test_parts_that_the_data_do_not_have_are_absent(folder: Path) -> None:
    document = results("train", "small.yaml", "--set", "data.split={}")
    assert "validation" not in document
    assert "test" not in document


def test_progress_is_few_lines_on_standard_error(folder: Path) -> None:
    ended = inside("train", "small.yaml", "--set", "training.epochs=12")
    epochs = re.findall(r"^ +(\d+)/12 ", ended.stderr, re.MULTILINE)
    assert epochs == ["1", "2", "5", "10", "12"]
    assert max(map(len, ended.stderr.splitlines())) <= 80
    assert inside("train", "small.yaml", "--quiet").stderr == ""


@pytest.mark.parametrize(("size", "refused"), [(1, True), (5, True), (7, True), (36, False)])
def test_batch_norm_of_a_lone_last_example_is_refused_at_once(
    folder: Path, size: int, refused: bool
) -> None:
    network = "network: [{dense: 4}, batch_norm, {dense: 3}]"
    write_spec(folder, re.sub("network: .*", network, SPEC), "small.yaml")
    ended = inside("train", "small.yaml", "-q", "--set", f"training.batch_size={size}")
    assert ended.returncode == 2 * refused
    assert ended.stderr.startswith("small.yaml:3:23: batch_norm needs two examples") == refused
    assert (folder / "runs").exists() != refused


def test_numbers_in_the_name_of_the_folder_count_up(folder: Path) -> None:
    for _ in range(2):
        inside("train", "small.yaml", "-q", "--runs", "elsewhere", "--set", "name='a/b c'")
    assert [path.name for path in sorted((folder / "elsewhere/a_b_c").iterdir())] == ["1", "2"]


def test_the_same_spec_and_seed_give_the_same_bits(folder: Path) -> None:
    for seed in (0, 0, 1):
        inside("train", "small.yaml", "-q", "--seed", str(seed))
    first, same, other = (last_weights(folder / f"runs/small/{n}") for n in (1, 2, 3))
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != other.tobytes()


def test_resuming_a_finished_run_changes_nothing(trained: Path) -> None:
    run = trained / "runs/small/1"
    before = contents(run)
    printed = results("train", "--resume", "runs/small/1")
    assert contents(run) == before
    assert printed == results("train", "--resume", "runs/small")
    assert printed["test"] == json.loads(before["summary.json"])["test"]


def test_resuming_a_finished_run_says_what_is_damaged(trained: Path) -> None:
    checkpoints = trained / "runs/small/1/checkpoints"
    resume = ("train", "--resume", "runs/small/1", "--quiet")
    (checkpoints / "last.npz").write_bytes(b"damaged")
    ended = inside(*resume)
    assert ended.returncode == 0  # its best weights are whole
    assert "last.npz: the checkpoint is damaged" in ended.stderr

    for path in checkpoints.iterdir():
        path.write_bytes(b"damaged")
    ended = inside(*resume)
    assert ended.returncode == 2
    assert "the checkpoint is damaged" in ended.stderr
    assert ended.stdout == ""

    for path in checkpoints.iterdir():
        path.unlink()
    ended = inside(*resume)
    assert ended.returncode == 2
    assert "last.npz: there is no such checkpoint" in ended.stderr


@pytest.mark.parametrize(
    "arguments", [("small.yaml", "--seed", "7"), ("--set", "training.epochs=30")]
)
def test_resuming_with_another_spec_is_refused(trained: Path, arguments: tuple[str, ...]) -> None:
    ended = inside("train", "--resume", "runs/small/1", *arguments)
    assert ended.returncode == 2
    assert "another spec" in ended.stderr
    assert inside("train", "--resume", "runs/small/1", "small.yaml").returncode == 0


def interrupted(folder: Path, number: signal.Signals) -> Ended:
    """A long run that is sent the signal when it has begun to train."""
    write_spec(folder, LONG, "small.yaml")
    process = subprocess.Popen(
        command("train", "small.yaml"),
        cwd=folder, env=environment(), text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    metrics = folder / "runs/small/1/metrics.jsonl"
    for _ in range(600):
        if metrics.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return checked(Ended(process.returncode, out, err))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_saved_and_says_how_to_go_on(
    folder: Path, number: signal.Signals, code: int
) -> None:
    ended = interrupted(folder, number)
    assert ended.returncode == code
    assert "bpcli train --resume runs/small/1" in ended.stderr
    assert "interrupted" in ended.stdout
    steps = int(re.search(r"([\d,]+) steps?", ended.stdout).group(1).replace(",", ""))  # type: ignore[union-attr]
    assert load(folder / "runs/small/1/checkpoints/last.npz")["steps"] == steps


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(folder: Path) -> None:
    interrupted(folder, signal.SIGINT)
    run = folder / "runs/small/1"
    epochs = load(run / "checkpoints/last.npz")["epochs"] + 2
    # both runs become shorter in the same way
    saved = run / "spec.yaml"
    saved.write_text(saved.read_text().replace("epochs: 100000", f"epochs: {epochs}"))
    write_spec(folder, LONG.replace("100000", str(epochs)), "small.yaml")
    ended = inside("train", "--resume", "runs/small/1", "-q")
    assert ended.returncode == 0
    assert "the run's spec.yaml changed since the run began" in ended.stderr
    assert inside("train", "small.yaml", "-q").returncode == 0
    resumed, whole = last_weights(run), last_weights(folder / "runs/small/2")
    assert resumed.tobytes() == whole.tobytes()


def test_a_network_without_parameters_is_refused(folder: Path) -> None:
    spec = SPEC.replace("[{dense: 4}, tanh, {dense: 3}]", "[relu]").replace("es: 3", "es: 2")
    write_spec(folder, spec, "none.yaml")
    ended = inside("train", "none.yaml")
    assert ended.returncode == 2
    assert "none.yaml:3:10: the network has no parameters" in ended.stderr
    assert not (folder / "runs").exists()
    for look in (("diagnose",), ("bench", "--seconds", "0.1"), ("gradcheck",), ("show",)):
        assert inside(*look, "none.yaml").returncode == 0


def test_data_that_lost_rows_are_named_where_a_run_cannot_go_on(folder: Path) -> None:
    table = folder / "a.csv"
    table.write_text("x,y\n" + "".join(f"{n},{n}\n" for n in range(40)))
    spec = LONG.replace("{generate: {blobs: {samples: 60, classes: 3}}", "{path: a.csv")
    spec = spec.replace("cross_entropy", "mse").replace("{dense: 3}", "{dense: 1}")
    training = begin(SpecRequest(str(write_spec(folder, spec))), folder / "runs")
    assert training.trainer is not None
    training.trainer.listen(InterruptAt(2))  # in the middle of an epoch
    training.trainer.train()
    table.write_text("x,y\n" + "".join(f"{n},{n}\n" for n in range(30)))
    ended = inside("train", "--resume", training.run.path)
    assert ended.returncode == 2
    assert "its order of examples is not one of 18" in ended.stderr
    assert "the data changed since the run began" in ended.stderr


def test_two_processes_do_not_train_in_one_run(folder: Path) -> None:
    interrupted(folder, signal.SIGINT)
    first = subprocess.Popen(
        command("train", "--resume", "runs/small/1"),
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert first.stderr is not None
        while "train loss" not in first.stderr.readline():
            assert first.poll() is None
        second = inside("train", "--resume", "runs/small/1")
        assert second.returncode == 2
        assert "another process" in second.stderr
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    assert first.returncode == 130


def test_two_processes_that_begin_at_once_get_runs_of_their_own(folder: Path) -> None:
    started = [
        subprocess.Popen(command("train", "small.yaml", "-q"), cwd=folder, env=environment())
        for _ in range(2)
    ]
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    assert {path.name for path in (folder / "runs/small").iterdir()} == {"1", "2"}


def test_a_value_that_is_not_finite_ends_the_run_with_its_place(folder: Path) -> None:
    wild = ("--set", "optimizer={sgd: {learning_rate: 1e30}}", "--set", "loss=mse")
    ended = inside("train", "small.yaml", *wild, "--format", "json")
    assert ended.returncode == 3
    document = json.loads(ended.stdout)
    assert document["reason"] == "non_finite"
    assert document["stopped_by"]["layer"] in ended.stderr
    assert f"step {document['stopped_by']['step']}" in ended.stderr
    assert "learning_rate=1e+29" in ended.stderr
    assert np.isfinite(last_weights(folder / "runs/small/1")).all()


def test_a_folder_that_cannot_be_written_to(folder: Path) -> None:
    (folder / "runs").write_text("a file in its place")
    ended = inside("train", "small.yaml")
    assert ended.returncode == 5
    assert "could not write runs/small" in ended.stderr
    assert ended.stdout == ""


def test_a_spec_from_standard_input_trains(folder: Path) -> None:
    assert bpcli("train", "-", "-q", folder=folder, stdin=SPEC).returncode == 0
    assert (folder / "runs/small/1/summary.json").exists()


@pytest.mark.parametrize(
    ("fail_on", "severity", "code"),
    [("error", "error", 1), ("error", "warning", 0), ("warning", "error", 1),
     ("info", "info", 1), ("never", "error", 0)],
)  # fmt: skip
def test_findings_decide_the_exit_code(fail_on: str, severity: str, code: int) -> None:
    finding = Finding("BP101", "vanishing-gradient", severity, (), 0, None, "")  # type: ignore[arg-type]
    assert _exit_code(Outcome("finished", 3, 15), [finding], fail_on) == code
