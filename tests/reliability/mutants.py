"""Mutation testing of the numeric core: small wrong changes, each of which a test must notice.

    python tests/reliability/mutants.py [--sample 200] [--seed 0] [--only layers/lstm.py]

A mutant swaps one operator or one of NumPy's functions (+ and -, * and /, add and subtract, maximum
and minimum, < and <=), drops a minus, or changes a number by one. It is written into a copy of
the repository, whose tests of the core run until the first that fails: those that reach its line,
as coverage.py has found, the quickest first. Mutants that nobody kills are listed with their line:
each is a test that is missing, unless it changes no number.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ("network/layers", "network", "optimization")
# they decide how fast or where, or print, and change no number
LEFT_OUT = ("threads.py", "buffers.py", "cost.py", "parameters.py", "chain.py", "layer.py")
TESTS = ("tests/network", "tests/optimization", "tests/training/test_stepper.py",
         "tests/test_worked_examples.py", "tests/gradcheck/test_layers.py")  # fmt: skip
PATIENCE = 120  # seconds; a mutant that hangs is noticed too

SECONDS = "seconds.json"
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
FUNCTIONS = {"add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply",
             "maximum": "minimum", "minimum": "maximum", "exp": "expm1", "sqrt": "cbrt",
             "tanh": "sin", "reciprocal": "negative", "greater": "less"}  # fmt: skip


class Mutant(NamedTuple):
    file: Path
    line: int
    change: str
    source: str


def mutants(file: Path) -> Iterator[Mutant]:
    """Every single change of one file."""
    text = file.read_text(encoding="utf-8")
    number = 0
    while True:
        mutator = _Mutator(number)
        tree = mutator.visit(ast.parse(text))
        if mutator.change is None:
            return
        yield Mutant(file, mutator.line, mutator.change, ast.unparse(tree))
        number += 1


class _Mutator(ast.NodeTransformer):
    """Makes the change with this number, inside of functions."""

    def __init__(self, number: int) -> None:
        self.number, self.line, self.change = number, 0, None
        self.depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.depth += 1
        node.body = [self.visit(each) for each in node.body]  # defaults and annotations stay
        self.depth -= 1
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node if not self.depth else self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self._swap(node, "op", OPERATORS)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        swapped = COMPARISONS.get(type(node.ops[0]))
        if swapped and self._mine(node, f"{type(node.ops[0]).__name__} -> {swapped.__name__}"):
            node.ops[0] = swapped()
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.USub) and self._mine(node, "minus dropped"):
            return node.operand
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        other = FUNCTIONS.get(node.attr)
        of_numpy = isinstance(node.value, ast.Name) and node.value.id == "np"
        if other and of_numpy and self._mine(node, f"np.{node.attr} -> np.{other}"):
            node.attr = other
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) in (int, float) and self._mine(node, f"{node.value} + 1"):
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def _swap(self, node: ast.AST, field: str, table: dict) -> None:
        old = getattr(node, field)
        new = table.get(type(old))
        if new and self._mine(node, f"{type(old).__name__} -> {new.__name__}"):
            setattr(node, field, new())

    def _mine(self, node: ast.AST, change: str) -> bool:
        if not self.depth or self.change is not None:
            return False
        self.number -= 1
        if self.number >= 0:
            return False
        self.line, self.change = node.lineno, change
        return True


def copy_of_the_repository(folder: Path) -> Path:
    for name in ("bpcli", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("configs", "datasets", "docs", "pyproject.toml", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    return folder


class Reach:
    """Which tests execute a line, the quickest first; the tests run once, under coverage.py."""

    def __init__(self, copy: Path) -> None:
        run(copy, TESTS, before="-m coverage run", after="-p tests.reliability.mutants")
        self.seconds = json.loads((copy / SECONDS).read_text())
        self.data = coverage.CoverageData(str(copy / ".coverage"))
        self.data.read()
        self.copy = copy

    def tests(self, mutant: Mutant) -> list[str]:
        """Of the line, or of the nearest above it, where a statement has several."""
        file = str(self.copy / mutant.file.relative_to(ROOT))
        by_line = self.data.contexts_by_lineno(file)
        for line in range(mutant.line, 0, -1):
            if found := set(by_line.get(line, ())):
                # what runs while tests are collected belongs to all of them
                chosen = found if "" not in found else self.seconds
                return sorted(chosen, key=lambda test: self.seconds.get(test, 0))
        return []


seconds: dict[str, float] = {}


def pytest_runtest_logstart(nodeid: str) -> None:
    """pytest calls this file's hooks as a plugin; lines are noted under the name of the test."""
    coverage.Coverage.current().switch_context(nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration


def pytest_sessionfinish() -> None:
    Path(SECONDS).write_text(json.dumps(seconds))


def run(copy: Path, tests: Sequence[str], before: str = "", after: str = "") -> int:
    """pytest's exit code, or 1 for a run that takes too long."""
    (copy / "arguments").write_text("\n".join(tests))
    command = f"{before} -m pytest -x -q -n 0 {after} @arguments".split()
    try:
        return subprocess.run(
            [sys.executable, *command], cwd=copy, env=ENVIRONMENT | {"PYTHONPATH": str(copy)},
            timeout=PATIENCE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1


def survives(mutant: Mutant, copy: Path, tests: list[str], now: int) -> bool:
    """Whether all tests pass. `now`, the file's time, keeps Python from an older bytecode."""
    place = copy / mutant.file.relative_to(ROOT)
    original = place.read_text(encoding="utf-8")
    try:
        place.write_text(mutant.source, encoding="utf-8")
        os.utime(place, (now, now))
        return not tests or run(copy, tests) == 0
    finally:
        place.write_text(original, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, help="so many of the mutants, at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the file's path")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    files = [file for folder in CORE for file in sorted((ROOT / "bpcli" / folder).glob("*.py"))
             if file.name not in LEFT_OUT and arguments.only in str(file)]  # fmt: skip
    chosen = [mutant for file in files for mutant in mutants(file)]
    print(f"{len(chosen):,} mutants of {len(files)} files", flush=True)
    if arguments.sample is not None and arguments.sample < len(chosen):
        chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)
    with tempfile.TemporaryDirectory() as temporary:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(arguments.jobs):
            (folder := Path(temporary) / str(number)).mkdir()
            copies.put(copy_of_the_repository(folder))
        reach = Reach(copy_of_the_repository(Path(temporary) / "reach"))

        def examine(number: int, mutant: Mutant) -> bool:
            tests = reach.tests(mutant)
            copy = copies.get()
            try:
                alive = survives(mutant, copy, tests, now=number)
            finally:
                copies.put(copy)
            if alive:
                where = f"{mutant.file.relative_to(ROOT)}:{mutant.line}"
                print(f"alive: {where}: {mutant.change} ({len(tests)} tests)", flush=True)
            return alive

        with ThreadPoolExecutor(arguments.jobs) as pool:
            alive = sum(pool.map(examine, range(len(chosen)), chosen))
    print(f"{len(chosen):,} mutants, {len(chosen) - alive:,} killed, {alive:,} alive")


if __name__ == "__main__":
    main()
