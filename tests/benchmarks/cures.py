"""How many faulty specs `bpcli diagnose --fix` cures, against a random search over its changes.

    python tests/benchmarks/cures.py FOLDER [--only CASE,CASE] [--budget 40runs] [--results FILE]

FOLDER holds `specs/CASE.yaml` and `labels.csv` with the columns `case`, `healthy`, `metric`,
`base_score` and `control_score` (several separated by `;`): what the known cure reaches. Each spec
that is not healthy is given to `--fix`; what it writes is trained as written, on three seeds, and
is cured if the median of the best validation scores is within 5% of the known cure's. The random
search draws one or two of all the courses of treatment that the spec can take, trains as many such
specs for as many steps, and its best is judged in the same way. Results are kept line by line, so
that a measurement can go on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from bpcli.build import prepare
from bpcli.cli.environment import Environment
from bpcli.cli.run import run
from bpcli.data import load_data
from bpcli.diagnosis.candidates import Bench, Budget, Candidate
from bpcli.diagnosis.remedies import EVERYTHING, prescribe
from bpcli.errors import BpcliError
from bpcli.spec import load_spec
from bpcli.spec.model import Spec
from bpcli.training import EpochEvent, Listener, Trainer

SEEDS = (0, 1, 2)
CLOSE = 0.05  # of the known cure's score
FAILED = -1.0


def main() -> None:
    options = arguments()
    done = {line["case"]: line for line in lines_of(options.results)}
    for row in faulty(options.folder, options.only):
        if row["case"] not in done:
            done[row["case"]] = measured(options.folder, row, options.budget, options.random)
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[row["case"]]) + "\n")
        print(described(done[row["case"]]), flush=True)
    wanted = [done[row["case"]] for row in faulty(options.folder, options.only)]
    for key, name in (("cure", "bpcli diagnose --fix"), ("random", "random search")):
        known = [line for line in wanted if line[key] is not None]
        cured = sum(is_cured(line, key) for line in known)
        if known:
            print(f"{name}: {cured} of {len(known)} cured, {cured / len(known):.3f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", type=lambda text: set(text.split(",")), default=None)
    parser.add_argument("--budget", default="40runs")
    parser.add_argument("--random", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--results", type=Path, default=Path("cures.jsonl"))
    return parser.parse_args()


def faulty(folder: Path, only: set[str] | None) -> Iterator[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["healthy"] == "false" and (only is None or row["case"] in only):
                yield row


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def measured(folder: Path, row: dict[str, str], budget: str, with_random: bool) -> dict[str, Any]:
    path = folder / "specs" / f"{row['case']}.yaml"
    start = time.process_time()
    code, found, cured = fixed(path, budget)
    seconds = time.process_time() - start
    cure = found.get("cure", {})
    random = None
    if with_random:
        random = random_search(load_spec(path), row["metric"], cure.get("runs") or 10)
    return {
        "case": row["case"],
        "cause": row["cause"],
        "known": known_score(row),
        "cure": score(cured, row["metric"]) if cured is not None else FAILED,
        "random": random,
        "exit": code,
        "findings": [finding["name"] for finding in found.get("findings", [])],
        "description": cure.get("description"),
        "runs": cure.get("runs"),
        "cpu_seconds": round(seconds, 1),
    }


def known_score(row: dict[str, str]) -> float:
    control = [float(each) for each in row["control_score"].split(";") if each]
    return statistics.median(control) if control else float(row["base_score"])


def fixed(path: Path, budget: str) -> tuple[int, dict[str, Any], Spec | None]:
    """The exit code of the program, its JSON, and the spec it wrote, if it wrote one."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "cured.yaml"
        stdout, stderr = io.StringIO(), io.StringIO()
        command = ["diagnose", str(path), "--fix", str(target), "--budget", budget]
        code = run([*command, "--format", "json", "--quiet"], Environment(stdout, stderr))
        try:
            found = json.loads(stdout.getvalue())
        except json.JSONDecodeError:
            found = {"findings": [{"name": stderr.getvalue()[-200:]}]}
        return code, found, load_absolute(target) if target.exists() else None


def load_absolute(path: Path) -> Spec:
    """A spec whose data are found after its folder is gone."""
    from bpcli.spec import resolve_paths

    return resolve_paths(load_spec(path))


def score(spec: Spec, metric: str) -> float:
    """The median over whole trainings, as the spec says, of the best validation score of any
    epoch: what the scores of the known cures are."""
    return statistics.median(best_score(replace(spec, seed=seed), metric) for seed in SEEDS)


def best_score(spec: Spec, metric: str) -> float:
    watched = Watched(metric)
    try:
        Trainer(spec, *prepare(spec), listeners=[watched]).train()
    except BpcliError:
        return FAILED
    return max(watched.scores, default=FAILED)


class Watched(Listener):
    """Keeps a metric of the validation part, epoch by epoch."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.scores: list[float] = []

    def epoch_ended(self, epoch: EpochEvent) -> None:
        assert epoch.validation is not None
        self.scores.append(epoch.validation[self.metric])


def random_search(spec: Spec, metric: str, runs: int) -> float:
    """The score of the best of so many random combinations, each trained once."""
    random, dataset = Random(spec.source.file), load_data(spec)
    bench = Bench(spec, dataset, Budget(), share=1.0)
    shape = dataset.preparation.inputs.shape
    possible = [course for course in EVERYTHING if prescribe(spec, course, shape) is not None]
    tried: list[Candidate] = []
    while len(tried) < runs:
        chosen = random.sample(possible, k=random.choice([1, 2]))
        course = tuple(treatment for each in chosen for treatment in each)
        prescribed = prescribe(spec, course, shape)
        if prescribed is not None:
            candidate = Candidate(course, "", prescribed[0].changes, prescribed[1])
            bench.train(candidate)
            tried.append(candidate)
    return score(max(tried, key=lambda each: each.score).spec, metric)


def is_cured(line: dict[str, Any], key: str) -> bool:
    return bool(line[key] >= line["known"] - CLOSE * abs(line["known"]))


def described(line: dict[str, Any]) -> str:
    words = {True: "cured", False: "NOT  "}
    random = "" if line["random"] is None else f"  random {line['random']:.3f}"
    return (
        f"{words[is_cured(line, 'cure')]} {line['case']} {line['cause']}: known "
        f"{line['known']:.3f}  cure {line['cure']:.3f}{random}  {line['runs']} runs, "
        f"{line['cpu_seconds']} s  {line['description']}"
    )


if __name__ == "__main__":
    main()
