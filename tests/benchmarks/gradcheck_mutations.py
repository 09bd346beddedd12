"""The mutation suite as a table: which wrong backward passes are caught, and how they are named.

    python tests/benchmarks/gradcheck_mutations.py

Each is checked as `bpcli gradcheck` does. Exits with 1 unless all are caught, in the layer that is
wrong, and at least 80% get the hint that names the mistake.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gradcheck.mutation import Mutation, checked, hint_of
from gradcheck.test_mutations import MUTATIONS

LEAST = 0.8


def row_of(mutation: Mutation) -> tuple[bool, bool, str]:
    """Whether it is caught where it is, whether its hint is right, and the hint."""
    result = checked(mutation)
    blamed = {fault.layer for fault in result.faults}
    if result.failure is not None:
        blamed = {result.failure.layer}
    hint = hint_of(mutation, result)
    caught = result.verdict == "fail" and blamed == {mutation.guilty}
    return caught, caught and bool(mutation.hint) and mutation.hint in hint, hint


def main() -> None:
    print("| wrong backward pass | caught | right hint | hint |")
    print("| --- | --- | --- | --- |")
    rows = []
    for mutation in MUTATIONS:
        caught, right, hint = row_of(mutation)
        rows.append((caught, right))
        marks = " | ".join("yes" if each else "NO" for each in (caught, right))
        print(f"| {mutation.name} | {marks} | {hint.replace('|', chr(92) + '|')} |", flush=True)
    caught, right = (sum(column) for column in zip(*rows, strict=True))
    print(f"\n{len(rows)} wrong backward passes: {caught} caught, "
          f"{right} with the right hint ({right / len(rows):.0%})")  # fmt: skip
    sys.exit(0 if caught == len(rows) and right >= LEAST * len(rows) else 1)


if __name__ == "__main__":
    main()
