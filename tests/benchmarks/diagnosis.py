"""How often `bpcli diagnose` is right about made-up specs, and whether their labels hold.

    python tests/benchmarks/diagnosis.py                    # diagnose all of diagnosis_cases/
    python tests/benchmarks/diagnosis.py --only wine        # those with that in their names
    python tests/benchmarks/diagnosis.py --prove            # train them: do the labels hold?

Printed are recall (faulty specs with an error), false positives (healthy specs with one) and naming
(faulty specs with an accepted name among their errors and warnings), as in the usual benchmarks.

A label holds if, over three seeds, the median of the best validation scores of a healthy spec goes
at least 0.75 of the way from chance to that of a plain learner, and that of a faulty one less than
half of the way from chance to its base's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from bpcli.build import prepare
from bpcli.data import load_data
from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.probe import diagnose_spec
from bpcli.diagnosis.reference import expectation
from bpcli.diagnosis.trial import run_trial, total_steps
from bpcli.errors import BpcliError
from bpcli.spec import parse_spec
from bpcli.spec.model import Spec

FOLDER = Path(__file__).parent / "diagnosis_cases"
SEEDS = (0, 1, 2)


def main() -> None:
    options = arguments()
    chosen = [case for case in cases() if any(part in case.name for part in options.only or [""])]
    chosen = chosen[options.part - 1 :: options.parts]
    if options.prove:
        held = [proved(case) for case in chosen]
        print(f"{sum(held)} of {len(held)} labels hold")
    else:
        print_totals([diagnosed(case) for case in chosen])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", metavar="NAME")
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--part", type=int, default=1, help="which of the --parts, from 1")
    parser.add_argument("--parts", type=int, default=1)
    return parser.parse_args()


@dataclass(frozen=True)
class Case:
    """A spec, whether it trains, and what may be said of it where it does not."""

    name: str
    spec: dict[str, Any]
    names: frozenset[str] = frozenset()  # of the findings, for a fault
    base: str = ""  # the case that it is made of

    @property
    def healthy(self) -> bool:
        return not self.names


def cases() -> list[Case]:
    """The bases, then the faults."""
    written = yaml.safe_load((FOLDER / "bases.yaml").read_text(encoding="utf-8"))
    sources, bases = written["data"], written["bases"]
    for spec in bases.values():
        named = spec["data"] if isinstance(spec["data"], dict) else {"use": spec["data"]}
        changed = {key: value for key, value in named.items() if key != "use"}
        spec["data"] = sources[named["use"]] | changed
    faults = yaml.safe_load((FOLDER / "faults.yaml").read_text(encoding="utf-8"))
    groups = faults["names"]
    found = [Case(name, spec) for name, spec in bases.items()]
    for name, fault in faults["faults"].items():
        names = frozenset(each for word in fault["names"] for each in groups.get(word, [word]))
        spec = changed_spec(bases[fault["base"]], fault["change"])
        found.append(Case(name, spec, names, fault["base"]))
    return found


def changed_spec(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = {part: base[part] | change[part] for part in ("data", "training") if part in change}
    return base | change | merged


def spec_of(case: Case) -> Spec:
    return parse_spec(yaml.safe_dump(case.spec, sort_keys=False), folder=FOLDER)


def diagnosed(case: Case) -> tuple[Case, Diagnosis]:
    start = time.process_time()
    found = diagnose_spec(spec_of(case))
    seconds = time.process_time() - start
    right = is_right(case, found)
    print(
        f"{'ok   ' if right else 'WRONG'} {seconds:5.1f} s  {case.name}: {said(found)}", flush=True
    )
    return case, found


def said(found: Diagnosis) -> str:
    words = [f"{f.severity} {f.name} ({f.cause})" for f in found.findings] or ["no findings"]
    verdict = found.evidence.verdict
    share = "" if verdict.share is None else f", share {verdict.share:.2f}"
    return f"{', '.join(words)}; fails {verdict.fails}{share}"


def is_right(case: Case, found: Diagnosis) -> bool:
    return found.healthy if case.healthy else not found.healthy and is_named(case, found)


def is_named(case: Case, found: Diagnosis) -> bool:
    return any(f.name in case.names for f in found.findings if f.severity != "info")


def print_totals(results: list[tuple[Case, Diagnosis]]) -> None:
    healthy = [found for case, found in results if case.healthy]
    faulty = [(case, found) for case, found in results if not case.healthy]
    alarms = sum(not found.healthy for found in healthy)
    recalled = sum(not found.healthy for _, found in faulty)
    named = sum(is_named(*each) for each in faulty)
    print(f"recall {recalled}/{len(faulty)}  false positives {alarms}/{len(healthy)}  ", end="")
    print(f"naming {named}/{len(faulty)}")


# the labels


def proved(case: Case) -> bool:
    spec = spec_of(case)
    dataset, _ = prepare(spec)
    expected = expectation(spec, load_data(spec), total_steps(spec, dataset.train))
    own = best_score(spec)
    if case.healthy:
        goal = expected.learned_score
    else:
        goal = best_score(spec_of(next(each for each in cases() if each.name == case.base)))
    share = (own - expected.chance_score) / max(goal - expected.chance_score, 1e-6)
    holds = share >= 0.75 if case.healthy else share < 0.5
    told = f"score {own:.3f}, chance {expected.chance_score:.3f}, goal {goal:.3f}"
    print(f"{'holds' if holds else 'FAILS'}  {case.name}: {told}, share {share:.2f}", flush=True)
    return holds


def best_score(spec: Spec) -> float:
    """The median over the seeds of the best score on the validation part."""
    dataset = load_data(spec)
    steps = total_steps(spec, dataset.train)
    scores = []
    for seed in SEEDS:
        try:
            scores.append(run_trial(replace(spec), dataset, seed, steps).best_score)
        except BpcliError:
            scores.append(float("nan"))
    return statistics.median(-1e9 if score != score else score for score in scores)


if __name__ == "__main__":
    main()
