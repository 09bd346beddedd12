"""What recording every step costs: steps with and without a recorder, in turns.

    python tests/benchmarks/recording.py [w3 w4 ...] [--threads 1]

Prints the median of the ratios of neighbouring portions. No test asserts a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]
PORTION = 0.05  # seconds of steps that are timed together


def ratios(workload: str, seconds: float) -> tuple[float, list[float]]:
    """Seconds of a step that is not recorded, and how many times as long those that are take."""
    from contenders import _stepper
    from workloads import WORKLOADS

    from bpcli.diagnosis.recorder import Recorder

    stepper = _stepper(WORKLOADS[workload])
    recorder = Recorder(1, steps=range(1 << 62))

    def recorded() -> None:
        loss = stepper.step(recorder)
        recorder.end(stepper.steps, 1, loss)

    def portion(step, count: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            step()
        return (time.perf_counter() - begun) / count

    portion(recorded, 20)
    count = max(1, round(PORTION / portion(stepper.step, 5)))
    found, plain = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before, with_it, after = (portion(step, count) for step in (
            stepper.step, recorded, stepper.step
        ))  # fmt: skip
        plain.append((before + after) / 2)
        found.append(with_it / plain[-1])
    return statistics.median(plain), found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", default=["w3", "w4"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)
    from bpcli.process import prepare

    prepare()
    for workload in arguments.workloads:
        step, found = ratios(workload, arguments.seconds)
        low, middle, high = statistics.quantiles(found, n=4)
        print(f"{workload}: {1e3 * step:.2f} ms a step, recorded {middle - 1:+.1%} "
              f"(half of the portions from {low - 1:+.1%} to {high - 1:+.1%})")  # fmt: skip


if __name__ == "__main__":
    main()
