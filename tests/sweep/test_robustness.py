"""Sweeps that are killed, interrupted, given workers that die or folders that others wrote to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.program import bpcli, environment, write_spec

from bpcli.errors import CheckpointError
from bpcli.sweep.results import Results
from sweep.test_sweep import lines, start, wait_for, workers_of

LAYERS = """\
import os
import bpcli

class Killer(bpcli.Layer):
    name = "killer"
    deadly: float = 0.0

    def forward(self, inputs, parameters, *, training, random):
        if self.deadly:
            os._exit(9)
        return inputs, None

    def backward(self, cache, output_gradient, parameters, gradients):
        return output_gradient
"""
KILLING = """\
data: {generate: xor}
network: [{dense: 4}, {killer: 0}, {dense: 2}]
loss: cross_entropy
training: {epochs: 3}
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def line(key: str, job: int = 1, **figures: object) -> str:
    return json.dumps({"key": key, "job": job, "settings": {"seed": job}, **figures})


@pytest.mark.slow
def test_a_job_that_kills_its_workers_fails_alone(tmp_path: Path) -> None:
    """Layers of the user's own reach the workers; the jobs beside the killer all succeed."""
    (tmp_path / "killer.py").write_text(LAYERS)
    spec = write_spec(tmp_path, KILLING)
    run = bpcli("sweep", spec, "--layers", str(tmp_path / "killer.py"), "--vary",
                "network.1.killer.deadly=0,0,1,0;seed=0..3", "--jobs", "2", "--out", "out",
                folder=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = lines(tmp_path / "out")
    assert [line["job"] for line in found if "error" in line] == [3]
    assert "its worker died 3 times" in found[2]["error"]
    assert len(found) == 4


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_sweep(tmp_path: Path) -> None:
    """A program that is read from standard input cannot be started again in a worker."""
    program = "from bpcli.cli.run import run; raise SystemExit(run(['sweep', 'xor.yaml', '--vary', "
    write_spec(tmp_path)
    ended = subprocess.run(
        [sys.executable], input=program + "'seed=0..50']))", cwd=tmp_path, env=environment(),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "the worker processes cannot start" in ended.stderr


@needs_proc
@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_sweep(tmp_path: Path) -> None:
    spec, folder = write_spec(tmp_path), tmp_path / "out"
    process = start(spec, folder, "--vary", "seed=0..3", "--set", "training.epochs=1000000",
                    "--jobs", "2")  # fmt: skip
    wait_for(lambda: len(workers_of(process)) == 2)
    workers = workers_of(process)
    time.sleep(1.0)  # until they are at work
    process.kill()
    process.wait()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 20)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_does_not_wait_for_its_jobs(tmp_path: Path, number: int) -> None:
    spec, folder = write_spec(tmp_path), tmp_path / "out"
    process = start(spec, folder, "--vary", "seed=0..3", "--set", "training.epochs=1000000",
                    "--jobs", "2")  # fmt: skip
    wait_for(lambda: len(workers_of(process)) == 2)
    time.sleep(1.0)
    workers = workers_of(process)
    begun = time.monotonic()
    os.kill(process.pid, number)
    assert process.wait(30) == (130 if number == signal.SIGINT else 143)
    assert time.monotonic() - begun < 10
    assert "no job had ended" in folder.with_suffix(".stderr").read_text()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 20)


def test_two_sweeps_in_one_folder(tmp_path: Path) -> None:
    with Results(tmp_path / "out"):
        run = bpcli("sweep", write_spec(tmp_path), "--vary", "seed=0,1", "--out", "out",
                    folder=tmp_path)  # fmt: skip
    assert run.returncode == 2
    assert "another sweep is writing here" in run.stderr
    with Results(tmp_path / "out"), pytest.raises(CheckpointError), Results(tmp_path / "out"):
        pass


@pytest.mark.slow
def test_a_changed_spec_in_the_same_folder_shows_its_own_results_alone(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    options = ("--vary", "seed=0..2", "--jobs", "1", "--out", "out")
    bpcli("sweep", spec, *options, folder=tmp_path)
    run = bpcli("sweep", spec, *options, "--set", "training.epochs=4", "--format", "json",
                folder=tmp_path)  # fmt: skip
    shown = json.loads(run.stdout)
    assert [row["epochs"] for row in shown["results"]] == [4, 4, 4]
    assert len(lines(tmp_path / "out")) == 6  # nothing was taken away
    run = bpcli("sweep", spec, *options, folder=tmp_path)
    assert "0 done now, 3 before" in run.stdout


def test_a_result_that_another_sweep_reached_otherwise_has_this_one_s_settings(
    tmp_path: Path,
) -> None:
    spec = write_spec(tmp_path)
    bpcli("sweep", spec, "--vary", "seed=0,1", "--jobs", "1", "--out", "out", folder=tmp_path)
    run = bpcli("sweep", spec, "--vary", "training.batch_size=2", "--jobs", "1", "--out", "out",
                "--format", "json", folder=tmp_path)  # fmt: skip
    (row,) = json.loads(run.stdout)["results"]
    assert (row["training.batch_size"], "seed" in row) == (2, False)


def test_jobs_that_are_alike_run_once(tmp_path: Path) -> None:
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "seed=1,1,2", "--jobs", "1",
                "--out", "out", folder=tmp_path)  # fmt: skip
    assert "2 done now, 0 before, 0 failed, 1 like another and not run twice" in run.stdout
    assert len(lines(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (line("a") + "\n" + line("b")[:20], ["a"]),
        (line("a") + "\n" + line("b"), ["a", "b"]),
        (line("a") + "\nnot ours\n" + line("b") + "\n", ["a", "b"]),
        ("[1, 2]\n" + line("a") + "\n", ["a"]),
        ("", []),
        (line("a")[:9], []),
    ],
)
def test_only_a_torn_end_is_cut(tmp_path: Path, content: str, kept: list[str]) -> None:
    (tmp_path / "results.jsonl").write_text(content)
    with Results(tmp_path) as results:
        assert [found["key"] for found in results.lines()] == kept
        results.append(json.loads(line("new")))
    assert [found["key"] for found in Results(tmp_path).lines()] == [*kept, "new"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "seed=0", "--out", "locked/out",
                folder=tmp_path)  # fmt: skip
    assert run.returncode == 5


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    run = bpcli("sweep", write_spec(tmp_path), "--vary", "seed=0", "--out", "out", folder=tmp_path)
    assert run.returncode == 5
    assert "could not write out" in run.stderr


def test_names_with_spaces_and_letters_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "mes réseaux"
    folder.mkdir()
    (folder / "données 1.csv").write_text("x,y\n" + "1,a\n2,b\n" * 8)
    spec = write_spec(
        folder,
        "data: {path: données 1.csv, target: y}\nnetwork: [{dense: 2}]\nloss: cross_entropy\n",
        "netz ∂.yaml",
    )
    run = bpcli("sweep", spec, "--vary", "seed=0,1", "--jobs", "1", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert len(lines(tmp_path / "sweeps" / "netz_")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--vary", "a=0..999999;b=0..999999", "--vary", "seed=0..1"), "2,000,000 jobs, at most"),
        (("--vary", "seed=0..99999", "--vary", "network.0.dense.units=1..99999"), "--samples N"),
        (("--vary", "network.2.dense.units=2,3"), "cross_entropy on these data needs 2 outputs"),
        (("--vary", "data={path: nowhere.csv}"), "nowhere.csv: no such file"),
        (("--vary", "network.0.dense.units=1,1e12"), "must be a positive integer"),
        (("--vary", "network.0.dense.units=1,100000000000"), "of memory"),
        (("--file", "nowhere.yaml"), "no such file"),
        (("--file", "xor.yaml"), "expected a list of mappings"),
    ],
)  # fmt: skip
def test_what_nobody_could_run_starts_nothing(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    run = bpcli("sweep", write_spec(tmp_path), *options, folder=tmp_path)
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert not (tmp_path / "sweeps").exists()


@pytest.mark.slow
def test_20_000_jobs_take_little_memory(tmp_path: Path) -> None:
    """Of the parent, which checks all specs, records all results and writes the table."""
    spec = write_spec(tmp_path)
    (tmp_path / "run.py").write_text(
        "import sys\n"
        "from bpcli.memory import peak_memory\n"
        "from bpcli.cli.run import run\n"
        "if __name__ == '__main__':\n"
        "    code = run(sys.argv[1:])\n"
        "    print(peak_memory(), file=sys.stderr)\n"
        "    sys.exit(code)\n"
    )
    ended = subprocess.run(
        [sys.executable, "run.py", "sweep", str(spec), "--vary", "seed=0..19999", "--set",
         "training.epochs=1", "--out", "out", "--quiet"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(lines(tmp_path / "out")) == 20_000
    assert int(ended.stderr.split()[-1]) < 300e6
