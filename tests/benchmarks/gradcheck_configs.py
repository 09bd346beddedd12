"""The gradient check of every config: its verdict, its worst relative error, what it takes.

    python tests/benchmarks/gradcheck_configs.py [SPEC ...]

Each spec is checked by the command in a process of its own. Prints a table in Markdown; exits with
1 unless every verdict is pass and every error at most 1e-9.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

CONFIGS = Path(__file__).parents[2] / "configs"
MOST, MOST_OFTEN = 1e-9, 1e-12


class Row(NamedTuple):
    name: str
    parameters: int
    checked: int
    error: float
    seconds: float
    verdict: str
    exit_code: int

    @property
    def good(self) -> bool:
        return self.exit_code == 0 and self.verdict == "pass" and self.error <= MOST


def row_of(spec: Path) -> Row:
    command = [sys.executable, "-m", "bpcli", "gradcheck", str(spec), "--format", "json", "--quiet"]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if not finished.stdout:
        raise SystemExit(f"{spec}: exit {finished.returncode}\n{finished.stderr}")
    result = json.loads(finished.stdout)
    shapes = [parameter["shape"] for parameter in result["parameters"]]
    return Row(
        spec.stem,
        sum(math.prod(shape) for shape in shapes),
        sum(parameter["checked"] for parameter in result["parameters"]),
        result["max_relative_error"],
        result["seconds"],
        result["verdict"],
        finished.returncode,
    )


def main() -> None:
    specs = [Path(each) for each in sys.argv[1:]] or sorted(CONFIGS.glob("*.yaml"))
    print("| config | parameters | compared singly | worst error | seconds | verdict | exit |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for spec in specs:
        row = row_of(spec)
        rows.append(row)
        print(f"| {row.name} | {row.parameters:,} | {row.checked:,} | {row.error:.1e} "
              f"| {row.seconds:.2f} | {row.verdict} | {row.exit_code} |", flush=True)  # fmt: skip
    small = sum(row.error <= MOST_OFTEN for row in rows)
    largest = max(row.error for row in rows)
    print(f"\n{len(rows)} configs: {small} at most {MOST_OFTEN:.0e}, the largest {largest:.1e}")
    sys.exit(0 if all(row.good for row in rows) else 1)


if __name__ == "__main__":
    main()
