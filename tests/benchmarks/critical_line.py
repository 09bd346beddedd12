"""The critical line of deep tanh networks, measured by a sweep, beside theory.

    python tests/benchmarks/critical_line.py [FOLDER]

Theory is χ₁ = 1 at the fixed point of the variance map of tanh (Poole et al. 2016, Schoenholz et
al. 2017), by quadrature and bisection outside this project.
"""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
THEORY = {0.001: 1.189, 0.01: 1.424, 0.05: 1.761, 0.1: 1.986, 0.2: 2.285, 0.5: 2.843, 1: 3.443}
LAYER = "network.0.repeat.layers.0.dense"
SCALE, STD = f"{LAYER}.init.variance_scaling.scale", f"{LAYER}.bias.normal.std"


def sweep(folder: Path) -> list[dict[str, object]]:
    deviations = ",".join(f"{math.sqrt(variance):.9g}" for variance in THEORY)
    command = [sys.executable, "-m", "bpcli", "sweep", str(ROOT / "configs/phase_diagram.yaml"),
               "--do", "diagnose", "--vary", f"{SCALE}=1..4/log17", "--vary", f"{STD}={deviations}",
               "--out", str(folder), "--quiet"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def crossing(points: list[tuple[float, float]]) -> float:
    """Where y is 0, linearly between the two points about it."""
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y0 < 0 <= y1:
            return x0 - y0 * (x1 - x0) / (y1 - y0)
    return math.nan


def main() -> None:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        lines = sweep(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
    print("| σ_b² | measured σ_w² | theory | difference |\n| --- | --- | --- | --- |")
    for variance, theory in THEORY.items():
        points = sorted(
            (float(line["settings"][SCALE]), float(line["gradient_slope"]))  # type: ignore
            for line in lines
            if math.isclose(line["settings"][STD] ** 2, variance, rel_tol=1e-6)  # type: ignore
        )
        found = crossing(points)
        print(f"| {variance} | {found:.3f} | {theory} | {100 * (found / theory - 1):+.1f}% |")
    print(f"\n{len(lines)} jobs in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
