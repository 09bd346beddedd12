"""Trains the configs and holds their figures against what is published or promised.

    python tests/benchmarks/accuracies.py              # all of them, minutes
    python tests/benchmarks/accuracies.py xor iris     # some of them

A figure with a number of seeds is the median over that many; each seed also makes another split.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

CONFIGS = Path(__file__).parents[2] / "configs"


class Promise(NamedTuple):
    """What a config is to reach; ``sign`` is -1 where less is better."""

    config: str
    part: str
    figure: str
    least: float
    seeds: int = 1
    sign: int = 1


PROMISES = (
    Promise("xor", "validation", "accuracy", 1.0, 5),
    Promise("iris", "test", "accuracy", 0.93, 5),
    Promise("penguins", "test", "accuracy", 0.97, 5),
    Promise("breast_cancer", "test", "accuracy", 0.96, 5),
    Promise("auto_mpg", "test", "r2", 0.85, 5),
    Promise("digits", "test", "accuracy", 0.96, 5),
    Promise("mnist", "test", "accuracy", 0.98),
    Promise("keras_mnist_mlp", "test", "accuracy", 0.983),
    Promise("nielsen_chapter1", "test", "accuracy", 0.945),
    Promise("mnist_cnn", "test", "accuracy", 0.99),
    Promise("mnist1d_linear", "test", "accuracy", 0.30),
    Promise("mnist1d_mlp", "test", "accuracy", 0.66),
    Promise("mnist1d_cnn", "test", "accuracy", 0.92),
    Promise("mnist1d_gru", "test", "accuracy", 0.89),
    Promise("adding_problem_lstm", "test", "loss", 0.01, sign=-1),
    Promise("adding_problem_irnn", "test", "loss", 0.01, sign=-1),
    Promise("moby_dick_lstm", "validation", "loss", 1.80, sign=-1),
)


def trained(config: str, seed: int, runs: Path) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "bpcli", "train", str(CONFIGS / f"{config}.yaml")]
    command += ["--set", f"data.seed={seed}", "--seed", str(seed)]
    command += ["--quiet", "--format", "json", "--runs", str(runs), "--fail-on", "never"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, dict[str, float]] = json.loads(done.stdout)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", help="names of configs; default: all")
    wanted, missed = parser.parse_args().configs, 0
    print(f"{'config':<22} {'figure':<20} {'promised':>9} {'reached':>9} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for promise in PROMISES:
            if wanted and promise.config not in wanted:
                continue
            began = time.monotonic()
            found = [
                trained(promise.config, seed, Path(folder))[promise.part][promise.figure]
                for seed in range(promise.seeds)
            ]
            reached = statistics.median(found)
            good = promise.sign * reached >= promise.sign * promise.least
            missed += not good
            seconds = (time.monotonic() - began) / promise.seeds
            print(
                f"{promise.config:<22} {promise.part + '.' + promise.figure:<20} "
                f"{promise.least:9.4g} {reached:9.4f} {seconds:8.1f}  {'' if good else 'MISSED'}",
                flush=True,
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
