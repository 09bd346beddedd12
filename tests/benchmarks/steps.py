"""Times a training step of bpcli beside PyTorch, JAX and scikit-learn, and prints ratios.

    python tests/benchmarks/steps.py                       all workloads, one thread and two
    python tests/benchmarks/steps.py w1 w5 --threads 1 --rounds 9
    python tests/benchmarks/steps.py --clock cpu --threads 1     on a machine that is busy

Contenders that are not installed are skipped. Each runs in a process of its own and they take
turns, in an order that rotates, so that a slow spell of the machine meets them all. A turn's
figure is the median over its portions, a ratio the median of the rounds' ratios: the time of the
other over that of bpcli, so above 1 bpcli is the faster. No test asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PORTION = 2e-3  # seconds: as many steps as take so long are timed together
PAUSE = 0.1  # between turns, until the threads of the last have stopped spinning
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


class Contender:
    """A process that trains for a while when told to, and answers with its time a step."""

    def __init__(self, name: str, workload: str, threads: int, clock: str) -> None:
        arguments = ["--contender", name, workload, "--threads", str(threads), "--clock", clock]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
            text=True,
        )
        self.available = self._answer() is not None

    def turn(self, seconds: float) -> float:
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        answer = self._answer()
        assert answer is not None, "a contender died"
        return float(answer)

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def serve(name: str, workload: str, threads: int, clock: str) -> None:
    """The other side: builds the step, then trains for each number of seconds that it reads."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from contenders import CONTENDERS, MissingError
    from workloads import WORKLOADS

    try:
        call, steps = CONTENDERS[name](WORKLOADS[workload], threads)
        for _ in range(20 if steps == 1 else 2):
            call()
    except (ImportError, MissingError):
        return
    print(json.dumps(True), file=answers, flush=True)
    for line in sys.stdin:
        step = measure(call, float(line), CLOCKS[clock]) / steps
        print(json.dumps(step), file=answers, flush=True)


def measure(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """Median seconds of a call, over portions of calls."""
    begun = time.perf_counter()
    call()
    calls = max(1, round(PORTION / (time.perf_counter() - begun)))
    times: list[float] = []
    while len(times) < 5 or time.perf_counter() < begun + seconds:
        start = clock()
        for _ in range(calls):
            call()
        times.append((clock() - start) / calls)
    return statistics.median(times)


def compare(workload: str, threads: int, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Each available contender's time in every round."""
    limit_processors(threads)
    found = {
        name: Contender(name, workload, threads, arguments.clock) for name in arguments.contenders
    }
    contenders = {name: each for name, each in found.items() if each.available}
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    try:
        for number in range(arguments.rounds):
            names = list(contenders)
            first = number % len(names)
            for name in names[first:] + names[:first]:
                time.sleep(PAUSE)
                rounds[name].append(contenders[name].turn(arguments.seconds))
    finally:
        for contender in found.values():
            contender.stop()
    return rounds


def limit_processors(threads: int) -> None:
    """JAX does not listen to variables; affinity is inherited by the contenders."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-threads:]))


def row(workload: str, threads: int, rounds: dict[str, list[float]], names: list[str]) -> str:
    own = rounds["bpcli"]
    cells = [f"{workload:8}", f"{threads:7}", f"{statistics.median(own) * 1e6:10.1f}"]
    for name in names[1:]:
        ratios = [other / one for other, one in zip(rounds.get(name, []), own, strict=False)]
        cells.append(f"{statistics.median(ratios):11.2f}" if ratios else f"{'-':>11}")
    return " ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["bpcli", "bpcli_train", "numpy", "matmul", "torch", "jax", "sklearn"]
    parser.add_argument("workloads", nargs="*", default=["w1", "w2", "w3", "w4", "w5", "w6", "w10"])
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--contenders", nargs="+", default=names, help="bpcli is always one")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    if arguments.contender:
        (workload,), (threads,) = arguments.workloads, arguments.threads
        serve(arguments.contender, workload, threads, arguments.clock)
        return
    arguments.contenders = list(dict.fromkeys(["bpcli", *arguments.contenders]))
    heading = " ".join(f"{name:>11}" for name in arguments.contenders[1:])
    print(f"{'workload':8} {'threads':>7} {'bpcli, µs':>10} {heading}   (their time / bpcli's)")
    for threads in arguments.threads:
        for workload in arguments.workloads:
            rounds = compare(workload, threads, arguments)
            print(row(workload, threads, rounds, arguments.contenders), flush=True)


if __name__ == "__main__":
    main()
