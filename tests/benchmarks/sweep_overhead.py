"""What a sweep costs beside its jobs: whole commands against bare processes, turn by turn.

    python tests/benchmarks/sweep_overhead.py [ROUNDS]
    python tests/benchmarks/sweep_overhead.py --processor   # seconds of the processor instead

On a machine that others use, the clock says little; what a sweep takes of the processors beside
what bare processes take does not depend on them.

A bare process trains its share of the jobs in a loop, with the data read once and nothing recorded.
``ideal`` is the time of that loop where two such processes share the jobs, without starting them. A
sweep is timed as a whole: starting Python and two workers, checking every spec, running, recording,
writing the table. The Dask scheduler and its two workers run already, each a process that is
reached over TCP; `--dask local` starts them too.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SHORT, LONG = 0.004, 0.5  # seconds of a job
WORKERS = 2
COMPILED = os.path.join(tempfile.gettempdir(), "bpcli-sweep-overhead")
SPEC = """\
data: {{generate: {{blobs: {{samples: 64, classes: 3}}}}, split: {{validation: 0.25}}}}
network: [{{dense: 16}}, tanh, {{dense: 3}}]
loss: cross_entropy
optimizer: {{adam: {{learning_rate: 0.05}}}}
training: {{epochs: {epochs}, batch_size: 16}}
"""


class Load(NamedTuple):
    """So many jobs of one spec that differ in the seed."""

    spec: Path
    jobs: int


class Bare(NamedTuple):
    loop: float  # seconds, of the slower of the two
    whole: float  # with the start of the processes


def environment() -> dict[str, str]:
    """As users have it: modules are compiled once, not at every start."""
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": COMPILED}
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"} | compiled


def train_bare(spec_file: str, first: int, last: int) -> float:
    """Seconds for the jobs of these seeds."""
    from dataclasses import replace

    from bpcli.build import network_on
    from bpcli.data import load_data
    from bpcli.spec.load import load_spec
    from bpcli.training import Trainer

    spec = load_spec(spec_file)
    dataset = load_data(spec)
    begun = time.perf_counter()
    for seed in range(first, last):
        job = replace(spec, seed=seed)
        Trainer(job, dataset, network_on(job, dataset)).train()
    return time.perf_counter() - begun


def bare(load: Load, processes: int = WORKERS) -> Bare:
    """The jobs in bare processes, each with its share."""
    edges = [load.jobs * part // processes for part in range(processes + 1)]
    begun = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--bare", str(load.spec), str(edges[n]), str(edges[n + 1])],
            env=environment(), stdout=subprocess.PIPE, text=True,
        )
        for n in range(processes)
    ]  # fmt: skip
    loops = [float(process.communicate()[0]) for process in running]
    return Bare(max(loops), time.perf_counter() - begun)


def sweep(load: Load, *options: str) -> float:
    """Seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "bpcli", "sweep", str(load.spec), "--vary",
             f"seed=0..{load.jobs - 1}", "--out", f"{folder}/out", "--quiet", *options],
            env=environment(), stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        with open(f"{folder}/out/results.jsonl") as lines:
            good = sum("error" not in json.loads(line) for line in lines)
        assert good == load.jobs, f"{good} of {load.jobs} jobs have a result"
    return seconds


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of a scheduler with two workers, processes of their own."""
    file = folder / "scheduler.json"
    common = {"env": environment(), "stderr": subprocess.DEVNULL}
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0",
             "--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]  # fmt: skip
    processes = [subprocess.Popen(start, **common)]
    try:
        while not file.exists():
            time.sleep(0.05)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file",
                  str(file), "--nthreads", "1", "--no-dashboard", "--no-nanny",
                  "--local-directory", str(folder)]  # fmt: skip
        processes += [subprocess.Popen(worker, **common) for _ in range(WORKERS)]
        yield json.loads(file.read_text())["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def calibrated(folder: Path, seconds: float, jobs: int) -> Load:
    """A load whose jobs take so long, one bare process alone."""
    epochs = 1
    for _ in range(4):
        spec = folder / f"epochs{epochs}.yaml"
        spec.write_text(SPEC.format(epochs=epochs))
        count = max(4, round(0.5 / seconds))
        taken = bare(Load(spec, count), 1).loop / count
        if abs(taken / seconds - 1) < 0.05:
            break
        epochs = max(1, round(epochs * seconds / taken))
    return Load(spec, jobs)


def processor() -> None:
    """Processor time of whole commands, one worker, beside a bare process: 2,000 short jobs."""
    with tempfile.TemporaryDirectory() as temporary:
        load = calibrated(Path(temporary), SHORT, 2_000)
        times = [_processor_seconds(way) for way in (
            lambda: bare(load, 1), lambda: sweep(load, "--jobs", "1"),
            lambda: bare(load, 1), lambda: sweep(load, "--jobs", "1"),
        )]  # fmt: skip
    alone, whole = times[0] + times[2], times[1] + times[3]
    print(f"bare {alone / 2:.2f} s, sweep {whole / 2:.2f} s: {whole / alone:.3f}")


def _processor_seconds(way: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    way()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounds(count: int, ways: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Every way in turn, so often: what slows the machine slows all."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(count):
        for name, way in ways.items():
            found[name].append(way())
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        short, long = calibrated(folder, SHORT, 2_000), calibrated(folder, LONG, 80)
        with cluster(folder) as address:
            sweep(Load(short.spec, 50), "--dask", address)  # its workers import what they need
            times = rounds(count, {
                "bare": lambda: bare(short).loop,
                "local": lambda: sweep(short, "--jobs", str(WORKERS)),
                "Dask": lambda: sweep(short, "--dask", address),
                "Dask local": lambda: sweep(short, "--dask", "local", "--jobs", str(WORKERS)),
            })  # fmt: skip
        print(
            f"{short.jobs:,} jobs of {2e3 * statistics.median(times['bare']) / short.jobs:.2f} ms"
        )
        for name in times:
            ratios = [a / b for a, b in zip(times[name], times["bare"], strict=True)]
            print(f"  {name:<11} {statistics.median(times[name]):6.2f} s   {_spread(ratios)} ideal")
        times = rounds(count, {
            "bare": lambda: bare(long).whole,
            "local": lambda: sweep(long, "--jobs", str(WORKERS)),
        })  # fmt: skip
        print(f"{long.jobs} jobs of {2 * statistics.median(times['bare']) / long.jobs:.2f} s")
        ratios = [b / a for a, b in zip(times["local"], times["bare"], strict=True)]
        print(f"  local: {_spread(ratios)} of the jobs a second of two bare processes")


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        print(train_bare(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    elif sys.argv[1:] == ["--processor"]:
        processor()
    else:
        main()
