"""Sweeps as a user runs them: results, going on, failures, killed workers, the same bits."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli.program import bpcli, environment, write_spec

VARY = ("--vary", "seed=0..3", "--vary", "network.0.dense.units=2,4")


def lines(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda line: line["job"])


def bits(folder: Path) -> list[dict[str, Any]]:
    """The results without what a clock says."""
    return [{key: line[key] for key in line if key != "seconds"} for line in lines(folder)]


def test_results_by_job_with_the_best_first(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    run = bpcli("sweep", spec, *VARY, "--jobs", "1", "--over", "seed,network.0.dense.units",
                folder=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "sweeps" / "xor"
    found = lines(folder)
    assert [line["job"] for line in found] == list(range(1, 9))
    assert found[3]["settings"] == {"seed": 1, "network.0.dense.units": 4}
    assert all(line["steps"] == 6 for line in found)
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == list("00112233")
    assert float(rows[0]["validation.loss"]) == found[0]["validation"]["loss"]
    accuracies = [float(line.split()[3]) for line in run.stdout.splitlines()[1:9]]
    assert accuracies == sorted(accuracies, reverse=True)


def test_an_interrupted_sweep_goes_on_and_a_torn_line_is_repaired(tmp_path: Path) -> None:
    spec, folder = write_spec(tmp_path), tmp_path / "out"
    options = (*VARY, "--jobs", "1", "--out", folder)
    assert bpcli("sweep", spec, *options).returncode == 0
    whole = bits(folder)
    content = (folder / "results.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "results.jsonl").write_bytes(b"".join(content[:3]) + content[3][:20])
    run = bpcli("sweep", spec, *options)
    assert "5 done now, 3 before" in run.stdout
    assert bits(folder) == whole


def test_diagnose_measures_gradient_flow_at_every_point(tmp_path: Path) -> None:
    """χ₁ of wide tanh networks with σ_b² = 0.05 by theory: 0.939 and 1.134 (Poole et al. 2016)."""
    spec = tmp_path / "tanh.yaml"
    spec.write_text(
        "data: {generate: {gaussian: {samples: 32, features: 200}}, scale: 0.4}\n"
        "network:\n"
        "  - repeat: {times: 20, layers: [{dense: {units: 200, init: {variance_scaling: "
        "{scale: 1.5}}, bias: {normal: {std: 0.22360680}}}}, tanh]}\n"
        "  - dense: 2\n"
        "loss: cross_entropy\n"
    )
    path = "network.0.repeat.layers.0.dense.init.variance_scaling.scale"
    run = bpcli("sweep", spec, "--do", "diagnose", "--vary", f"{path}=2.5,1.5",
                folder=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    above, below = lines(tmp_path / "sweeps" / "tanh")
    assert (below["healthy"], below["findings"]) == (True, "")
    assert below["chi"] == pytest.approx(0.939, rel=0.02)
    assert above["chi"] == pytest.approx(1.134, rel=0.02)
    for line in (below, above):
        assert line["chi"] == pytest.approx(line["predicted_chi"], rel=0.02)
    assert run.stdout.splitlines()[1].split()[1] == "1.5"  # the flattest first


def test_one_process_and_two_give_the_same_bits(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    for count in ("1", "2"):
        bpcli("sweep", spec, *VARY, "--jobs", count, "--out", tmp_path / count)
    assert bits(tmp_path / "1") == bits(tmp_path / "2")


def test_a_failed_job_is_recorded_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    """A lone example ends each epoch of batches of three: batch norm cannot be trained on it."""
    text = (
        "data: {generate: xor}\nnetwork: [batch_norm, {dense: 2}]\nloss: cross_entropy\n"
        "training: {epochs: 1}\n"
    )
    spec = write_spec(tmp_path, text)
    run = bpcli("sweep", spec, "--vary", "training.batch_size=2,3", "--jobs", "1", folder=tmp_path)
    assert run.returncode == 0
    good, failed = lines(tmp_path / "sweeps" / "xor")
    assert "error" not in good
    assert "batch_norm" in failed["error"]
    assert "1 failed" in run.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing is varied"),
        (("--vary", "seed=x"), "seed must be an integer"),
        (("--vary", "network.7=relu"), "network.7"),
        (("--vary", "training.epoch=1,2"), "did you mean 'epochs'"),
        (("--vary", "seed=1..0"), "runs upwards"),
        (("--vary", "seed=1", "--vary", "seed=2"), "varied twice"),
        (("--vary", "seed=1", "--over", "seed"), "two varied paths"),
        (("--vary", "seed=1", "--over", "seed,rate"), "'rate' is not varied"),
    ],
)
def test_what_no_spec_accepts_starts_nothing(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    run = bpcli("sweep", write_spec(tmp_path), *options, folder=tmp_path)
    assert run.returncode == 2
    assert message in run.stderr
    assert not (tmp_path / "sweeps").exists()


def test_dry_run(tmp_path: Path) -> None:
    run = bpcli("sweep", write_spec(tmp_path), *VARY, "--dry-run", folder=tmp_path)
    assert run.returncode == 0
    assert re.search(r"^ *job +seed +units\n +1 +0 +2\n +2 +0 +4\n", run.stdout, re.MULTILINE)
    assert "... 3 more" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert not (tmp_path / "sweeps").exists()


def start(spec: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """A sweep under way, in a group of its own, as a shell starts it."""
    command = [sys.executable, "-m", "bpcli", "sweep", str(spec), "--out", str(folder), *options]
    with folder.with_suffix(".stderr").open("wb") as said:
        return subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=said,
            start_new_session=True,
        )  # fmt: skip


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Its children that run jobs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            if parent == process.pid and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    spec, folder = write_spec(tmp_path), tmp_path / "out"
    options = ("--vary", "seed=0..29", "--set", "training.epochs=150")
    process = start(spec, folder, *options, "--jobs", "2")
    wait_for(lambda: (folder / "results.jsonl").exists() and len(lines(folder)) >= 2)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    assert process.wait(120) == 0
    bpcli("sweep", spec, *options, "--jobs", "1", "--out", tmp_path / "undisturbed")
    assert bits(folder) == bits(tmp_path / "undisturbed")


def test_ctrl_c_records_no_job_that_it_cut_short(tmp_path: Path) -> None:
    spec, folder = write_spec(tmp_path), tmp_path / "out"
    options = ("--vary", "seed=0..11", "--set", "training.epochs=150")
    process = start(spec, folder, *options, "--jobs", "2")
    wait_for(lambda: (folder / "results.jsonl").exists() and len(lines(folder)) >= 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and workers
    assert process.wait(60) == 130
    assert {line["reason"] for line in lines(folder)} == {"finished"}
    bpcli("sweep", spec, *options, "--jobs", "2", "--out", folder)
    bpcli("sweep", spec, *options, "--jobs", "2", "--out", tmp_path / "undisturbed")
    assert bits(folder) == bits(tmp_path / "undisturbed")


needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs bpcli[sweep]"
)


@needs_dask
@pytest.mark.slow
def test_an_unreachable_scheduler(tmp_path: Path) -> None:
    run = bpcli(
        "sweep", write_spec(tmp_path), "--vary", "seed=0,1", "--dask", "tcp://127.0.0.1:9",
        folder=tmp_path,
    )  # fmt: skip
    assert run.returncode == 2
    assert "no Dask scheduler" in run.stderr


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("started", [False, True])
def test_ctrl_c_while_a_cluster_of_its_own_starts_or_works(tmp_path: Path, started: bool) -> None:
    folder = tmp_path / "out"
    process = start(write_spec(tmp_path), folder, "--vary", "seed=0..99", "--set",
                    "training.epochs=3000", "--dask", "local", "--jobs", "2")  # fmt: skip
    if started:
        wait_for(lambda: (folder / "results.jsonl").exists() and lines(folder))
    else:
        wait_for(lambda: workers_of(process))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and workers
    assert process.wait(60) == 130
    said = folder.with_suffix(".stderr").read_text()
    assert "Traceback" not in said
    assert "CancelledError" not in said
    assert said.endswith("interrupted\n")
    assert ("what had ended is in" in said) == started


@needs_dask
@pytest.mark.slow
def test_dask_workers_over_tcp_give_the_same_bits_and_one_may_die(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    options = ("--vary", "seed=0..39", "--set", "training.epochs=100")
    file = tmp_path / "scheduler.json"
    run = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0",
           "--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]  # fmt: skip
    variables = environment(OPENBLAS_NUM_THREADS="1")
    started = [subprocess.Popen(run, env=variables, stderr=subprocess.DEVNULL)]
    try:
        wait_for(file.exists)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file",
                  str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]  # fmt: skip
        started += [
            subprocess.Popen(worker, env=variables, stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        address = json.loads(file.read_text())["address"]
        folder = tmp_path / "dask"
        process = start(spec, folder, *options, "--dask", address)
        wait_for(lambda: (folder / "results.jsonl").exists() and len(lines(folder)) >= 1)
        started[1].kill()
        assert process.wait(120) == 0
    finally:
        for each in started:
            each.kill()
            each.wait()
    bpcli("sweep", spec, *options, "--jobs", "1", "--out", tmp_path / "local")
    assert bits(folder) == bits(tmp_path / "local")
