"""A cure: what it changes, and training before and after it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

from bpcli.diagnosis.candidates import Candidate, settled_score
from bpcli.diagnosis.cure import Cure
from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.trial import Trial
from bpcli.report.document import Block, Column, Document, Lines, Piece, Span, Table
from bpcli.report.text import number, plural

_WIDTH = 80


def cure_report(
    cure: Cure, before: Diagnosis, metric: str, *, diff: str = "", notes: Sequence[str] = ()
) -> Document:
    """``metric`` names the score; ``diff`` is for programs."""
    blocks: list[Block] = [Lines(("", *_opening(cure)))]  # a diagnosis stands above
    if cure.best is not None and cure.after is not None:
        blocks.append(_comparison(cure, cure.best, before, cure.after, metric))
        left = [f.code for f in cure.after.findings if f.severity == "error"]
        if left:
            warning = f"errors that remain: {', '.join(left)}; training does better all the same"
            blocks.append(Lines((Span(warning, "warning"),)))
    if notes:
        blocks.append(Lines(tuple(notes)))
    return Document(blocks, _data(cure, before, metric, diff))


def _opening(cure: Cure) -> Iterable[Piece | Sequence[Piece]]:
    count = len(cure.tried)
    spent = f"{plural(cure.runs, 'run')} of {plural(cure.steps, 'step')}"
    if cure.best is None:
        yield (Span("no cure  ", "bad"), f"{plural(count, 'change')} tried in {spent}, none helped")
        return
    first, *more = wrap(cure.best.description, _WIDTH - 6)
    yield (Span("cure  ", "good"), Span(first, "strong"))
    yield from (Span(f"      {line}", "strong") for line in more)
    if count > 1:
        best = f"of {count} tried, the one that gains most for how little it changes"
        yield Span(f"      {best}", "muted")
    yield Span(f"      {spent}", "muted")


def _comparison(
    cure: Cure, best: Candidate, before: Diagnosis, after: Diagnosis, metric: str
) -> Table:
    original = cure.original
    rows: list[list[Piece]] = [
        ["gradient slope", _slope(before), _slope(after), "nats a layer going back"],
        ["signal slope", _signal(before), _signal(after), "nats a layer going forward"],
        ["training loss", _median(original.loss), _median(best.loss), _over(best)],
        [metric, _score(original), _score(best), _spread(original, best)],
        ["errors", _errors(before), _errors(after), ""],
    ]
    columns = (Column("", "left"), Column("before"), Column("after"), Column("", "left"))
    return Table(columns, rows)


def _over(candidate: Candidate) -> str:
    return f"median of {plural(len(candidate.trials), 'seed')}, the same steps each"


def _spread(*candidates: Candidate) -> str:
    """Each seed's: before 0.1 0.1 0.1, after 0.93 0.94 0.93."""
    each = (" ".join(map(_of_seed, c.trials)) for c in candidates)
    return "by seed {}; {}".format(*each)


def _of_seed(trial: Trial) -> str:
    return "–" if trial.non_finite is not None else number(settled_score(trial), 3)


def _score(candidate: Candidate) -> str:
    """– where most seeds left the numbers: what stands for their score is none."""
    lost = sum(trial.non_finite is not None for trial in candidate.trials)
    return "–" if 2 * lost > len(candidate.trials) else number(candidate.score)


def _median(value: float) -> str:
    return "not finite" if not math.isfinite(value) else number(value)


def _slope(diagnosis: Diagnosis) -> str:
    decay = diagnosis.flow.gradient
    return number(decay.slope, 2) if decay is not None else "–"


def _signal(diagnosis: Diagnosis) -> str:
    decay = diagnosis.flow.activation
    return number(decay.slope, 2) if decay is not None else "–"


def _errors(diagnosis: Diagnosis) -> str:
    return ", ".join(f.code for f in diagnosis.findings if f.severity == "error") or "none"


# for programs


def _data(cure: Cure, before: Diagnosis, metric: str, diff: str) -> dict[str, Any]:
    best, after = cure.best, cure.after
    return {
        **before.as_json(),
        "cure": {
            "cured": best is not None,
            "description": best.description if best else None,
            "changes": [_change(change) for change in best.changes] if best else [],
            "diff": diff,
            "steps": cure.steps,
            "runs": cure.runs,
            "metric": metric,
            "before": _side(cure.original, before),
            "after": _side(best, after) if best and after else None,
            "tried": [
                {"description": each.description, "score": _finite(each.score)}
                for each in cure.tried
            ],
        },
    }


def _change(change: Any) -> dict[str, Any]:
    return {"op": change.op, "path": change.path, "value": change.value}


def _side(candidate: Candidate, diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        **diagnosis.flow.as_json(),
        "train_loss": [_finite(trial.last_loss) for trial in candidate.trials],
        "score": [_finite(settled_score(trial)) for trial in candidate.trials],
        "non_finite": [trial.non_finite is not None for trial in candidate.trials],
        "errors": [f.code for f in diagnosis.findings if f.severity == "error"],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
