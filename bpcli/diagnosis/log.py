"""Diagnoses what happened: the lines of a gradients.jsonl, of bpcli or any other framework.

A line needs `step`, and `layers` in forward order with `name` and `gradient_norm` each; all else
that the recorder writes is used where it is there. `docs/gradients_jsonl.md` shows the hook.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from bpcli.diagnosis.diagnosis import Diagnosis, diagnose
from bpcli.diagnosis.evidence import Evidence
from bpcli.diagnosis.flow import LayerFacts
from bpcli.diagnosis.kinds import MULTIPLYING
from bpcli.diagnosis.statistics import median
from bpcli.diagnosis.thresholds import Thresholds
from bpcli.diagnosis.verdict import Verdict
from bpcli.errors import DataError
from bpcli.training import NonFinite

_LARGEST_LINE = 1 << 22  # characters
_MOST_LINES, _MOST_CHARACTERS = 20_000, 1 << 25  # that are kept of a longer log
_FIRST_LINES = 10  # always are: what goes wrong often does so at once
# by name or type: layers that gradients pass without being multiplied by weights
_SIDE = re.compile(r"norm|bn\d*$|embed|dropout|position", re.IGNORECASE)
_NUMBERS = (
    "gradient_norm", "delta_norm", "weight_norm", "update_ratio", "activation_rms",
    "activation_mean", "gradient_noise", "saturated", "dead_units", "non_finite",
)  # fmt: skip
_SHARES = ("saturated", "dead_units")
_SIZES = (
    "gradient_norm", "delta_norm", "weight_norm", "update_ratio", "activation_rms",
    "gradient_noise",
)  # fmt: skip
# what a figure that is not finite says, in the order in which it arises
_ARISES = {
    "activation_rms": "activation", "delta_norm": "gradient", "gradient_norm": "gradient",
    "weight_norm": "parameter",
}  # fmt: skip
_TENTH = 10


def diagnose_log(path: Path, *, ignore: Iterable[str] = ()) -> Diagnosis:
    """What the log shows; raises DataError where it is none."""
    lines = read_log(path)
    thresholds = Thresholds()
    evidence = Evidence(_layers(lines), thresholds, runs=[lines])
    add_what_happened(evidence, lines)
    return diagnose(evidence, ignore)


def add_what_happened(evidence: Evidence, lines: list[dict[str, Any]]) -> None:
    """The losses, the first value that is not finite, and whether the loss stands still."""
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    evidence.losses = [losses]
    evidence.non_finite = [first_non_finite(lines)]
    evidence.verdict = _verdict(losses, evidence)


def _verdict(losses: list[float], evidence: Evidence) -> Verdict:
    """Of a log alone: a loss that is no lower at the end than at the start fails; of few lines, one
    that is far above it from the middle on."""
    if any(evidence.non_finite):
        return Verdict(fails=True)
    if len(losses) < 2 * _TENTH:
        later = losses[len(losses) // 2 :]
        risen = len(losses) > 2 and min(later) > evidence.thresholds.blown_up * losses[0] > 0
        return Verdict(fails=risen or None)
    tenth = len(losses) // _TENTH
    # what blows up at once and comes back has gained nothing since its first step
    first, last = min(losses[0], median(losses[:tenth])), median(losses[-tenth:])
    if not first > 0:
        return Verdict()
    removed = 1 - last / first
    return Verdict(fails=removed < evidence.thresholds.still_share or None, removed=removed)


def first_non_finite(lines: list[dict[str, Any]]) -> NonFinite | None:
    """The first layer and step at which a figure is not finite."""
    for line in lines:
        step, epoch = line["step"], line["epoch"]
        for layer in line["layers"]:
            for key, quantity in _ARISES.items():
                value = layer.get(key)
                if value is not None and not math.isfinite(value):
                    return NonFinite(step, epoch, quantity, layer["name"])
        loss = line.get("loss")
        if loss is not None and not math.isfinite(loss):
            return NonFinite(step, epoch, "loss", None)
    return None


def _layers(lines: list[dict[str, Any]]) -> tuple[LayerFacts, ...]:
    """Every layer that a line names. No trunk are those that only normalize or look up, and those
    inside of a block that is named too: `block.conv` where there is a `block`."""
    kinds: dict[str, str] = {}
    for layer in (layer for line in lines for layer in line["layers"]):
        kinds.setdefault(layer["name"], str(layer.get("type", "")))
    return tuple(
        LayerFacts(name, kind, trunk=_multiplies(name, kind) and not _is_inside(name, kinds))
        for name, kind in kinds.items()
    )


def _multiplies(name: str, kind: str) -> bool:
    if kind.lower() in MULTIPLYING:
        return True
    return not (_SIDE.search(kind) or _SIDE.search(name.rpartition(".")[2]))


def _is_inside(name: str, names: Container[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in names for end in range(1, len(parts)))


# reading


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines, checked; a torn last line is left out.

    Of a long log the first ten, the last one and others at equal distances: about 20,000 lines or
    32 million characters, whichever are fewer. Raises DataError.
    """
    try:
        texts = _texts(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from None
    lines = []
    for number, text in texts:
        parsed = _parsed(path, number, text, last=number == texts[-1][0])
        if parsed is not None:
            lines.append(parsed)
    if not lines:
        raise DataError(f"{path}: holds no line; expected one JSON object a line, as {_EXAMPLE}")
    return lines


_EXAMPLE = '{"step": 1, "layers": [{"name": "dense_1", "gradient_norm": 0.1}]}'


def _texts(path: Path) -> list[tuple[int, str]]:
    """(number, line) of those that are kept and hold something; ends with one that is too long."""
    kept: list[tuple[int, str]] = []
    stride, characters, latest = 1, 0, None
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(iter(lambda: file.readline(_LARGEST_LINE + 1), ""), 1):
            if not text.strip():
                continue
            latest = number, text
            if len(text) > _LARGEST_LINE:
                break
            if _is_kept(number, stride):
                kept.append(latest)
                characters += len(text)
            while stride <= number and (len(kept) > _MOST_LINES or characters > _MOST_CHARACTERS):
                stride *= 2
                kept = [line for line in kept if _is_kept(line[0], stride)]
                characters = sum(len(line) for _, line in kept)
    return kept if latest is None or kept[-1:] == [latest] else [*kept, latest]


def _is_kept(number: int, stride: int) -> bool:
    return number <= _FIRST_LINES or number % stride == 0


def _parsed(path: Path, number: int, text: str, *, last: bool) -> dict[str, Any] | None:
    problem = None
    line: Any = None
    if len(text) > _LARGEST_LINE:
        problem = f"a line holds at most {_LARGEST_LINE:,} characters"
    else:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            if last and not text.endswith("\n"):
                return None
            problem = f"is not JSON ({error})"
    problem = problem or _problem(line)
    if problem:
        raise DataError(f"{path}:{number}: {problem}; expected a line like {_EXAMPLE}")
    return _clean(line)


def _problem(line: Any) -> str | None:
    """What is wrong with a line; None if nothing is."""
    if not isinstance(line, dict):
        return "is not an object"
    step = line.get("step")
    if not isinstance(step, int) or isinstance(step, bool):
        return f"`step` must be a whole number, received {step!r:.40}"
    layers = line.get("layers")
    if not isinstance(layers, list) or not layers:
        return "`layers` must be a list of one object a layer"
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
            return "each of `layers` needs a `name`"
        if "gradient_norm" not in layer and "delta_norm" not in layer:
            return f"layer {layer['name']!r:.60} needs a `gradient_norm`"
        wrong = next((key for key in _NUMBERS if not _is_number(layer.get(key))), None)
        if wrong:
            return f"`{wrong}` of layer {layer['name']!r:.60} must be a number or null"
        if not _is_list_of_numbers(layer.get("time_norms")):
            return f"`time_norms` of layer {layer['name']!r:.60} must be a list of numbers"
        wrong = _out_of_range(layer)
        if wrong:
            return f"{wrong}; layer {layer['name']!r:.60}"
    return None


def _out_of_range(layer: dict[str, Any]) -> str | None:
    """Says which figure cannot be what it is called; NaN is unknown, and so is in range."""
    for key in _SHARES:
        if layer.get(key) is not None and (layer[key] < 0 or layer[key] > 1):
            return f"`{key}` is a share from 0 to 1, received {layer[key]!r:.40}"
    wrong = next((key for key in _SIZES if _is_negative(layer.get(key))), None)
    if wrong is None and any(map(_is_negative, layer.get("time_norms") or ())):
        wrong = "time_norms"
    return f"`{wrong}` cannot be negative" if wrong else None


def _is_negative(value: float | None) -> bool:
    """-Infinity is not: some write it for what is not finite."""
    return value is not None and -math.inf < value < 0


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_list_of_numbers(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(_is_number, value)))


def _float(value: float | None) -> float:
    """As a float: nan for null, inf for whole numbers beyond all floats."""
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf


def _clean(line: dict[str, Any]) -> dict[str, Any]:
    """Numbers as floats; a null that bpcli wrote for one that is not finite comes back as nan."""
    places = line.get("non_finite")
    lost = set(map(str, places)) if isinstance(places, list) else set()
    layers = []
    for number, layer in enumerate(line["layers"]):
        figures = dict(layer)
        for key in _NUMBERS:
            value = layer.get(key)
            if value is not None:
                figures[key] = _float(value)
            elif f"layers.{number}.{key}" in lost:
                figures[key] = math.nan
        if layer.get("time_norms") is not None:
            figures["time_norms"] = [_float(norm) for norm in layer["time_norms"]]
        layers.append(figures)
    loss, epoch = line.get("loss"), line.get("epoch")
    known = _float(loss) if loss is not None and _is_number(loss) else None
    return line | {
        "layers": layers,
        "loss": math.nan if "loss" in lost else known,
        "epoch": epoch if isinstance(epoch, int) else 0,
    }
