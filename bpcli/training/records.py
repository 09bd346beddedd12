"""What a run wrote about itself, held against its shape where it is read again: anybody may have
edited it, or written it with another version.

A shape is a type or several; a list of one shape for a list of any length; a mapping from keys to
shapes, where those that end in ``?`` may be absent and others may be there besides, or from `str`
to the one shape that every value has. Numbers are no booleans, and whole ones have 64 bits; a
``Count`` is one that is not negative.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from bpcli.training.reading import lines


class Count(int):
    """In a shape: a whole number from 0."""


NUMBER = (int, float, NoneType)  # null: not finite
FIGURES = {str: NUMBER}
BEST = {"epoch": int, "step": int, "metric": str, "value": NUMBER}
SUMMARY = {
    "reason": str, "epochs": int, "steps": int, "best?": (NoneType, BEST), "train?": FIGURES,
    "validation?": FIGURES, "test?": FIGURES, "stopped_by?": {"message": str},
}  # fmt: skip
ENVIRONMENT = {"blas?": {"threads?": (int, NoneType)}, "seeds?": {str: object}}
EPOCH = {"epoch": int, "step": int, "learning_rate": NUMBER, "train": FIGURES,
         "validation?": FIGURES}  # fmt: skip
_ARRAY, _FLOAT, _RANDOM = np.ndarray, (int, float), {"state": str}
_NETWORK = {"parameters": _ARRAY, "state": _ARRAY, "names": [str], "shapes": [[Count]]}
# what best.npz holds, and what of a whole checkpoint is enough to use its weights
BEST_WEIGHTS = {"network": _NETWORK, "epoch": Count, "steps": Count, "value": _FLOAT, "metric": str}
LAST_WEIGHTS = {"network": _NETWORK, "epochs": Count, "steps": Count}
CHECKPOINT = LAST_WEIGHTS | {
    "stepper": {
        "steps": Count, "learning_rate": _FLOAT, "dropout": _RANDOM,
        "batches": {"position": Count, "order": (NoneType, _ARRAY), "random": _RANDOM},
        "optimizer": {"steps": Count, "moments": {str: _ARRAY}},
        "schedule": {"best?": (NoneType, int, float), "waited?": Count, "plateaus?": Count},
    },
    "meter": {
        "loss": _FLOAT, "examples": Count,
        "metric": {"right?": Count, "total?": Count, "count?": Count, "sums?": _ARRAY,
                   "outputs?": _ARRAY, "targets?": _ARRAY},
    },
    "patience": (NoneType, {"reference": (NoneType, int, float), "waited": Count}),
    "best": (NoneType, BEST_WEIGHTS),
    "recorder?": {str: object},
}  # fmt: skip
HISTOGRAM = {"exponent": int, "counts": [int]}
STEP = {"step": int, "loss?": NUMBER,
        "layers": [{"name": str, "histograms?": {str: HISTOGRAM}}]}  # fmt: skip


def problem(value: Any, shape: Any, place: str = "") -> str | None:
    """What does not fit, and where; None if all does."""
    if isinstance(shape, tuple):
        found = [problem(value, each, place) for each in shape]
        return None if None in found else found[-1]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _expected("a list", value, place)
        items = ((str(number), item, shape[0]) for number, item in enumerate(value))
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            return _expected("an object", value, place)
        missing = next((key for key in _needed(shape) if key not in value), None)
        if missing is not None:
            return f"`{_inside(place, missing)}` is missing"
        items = ((key, item, _shape_of(key, shape)) for key, item in value.items())
    else:
        return None if _is(value, shape) else _expected(_NAMES.get(shape, "null"), value, place)
    problems = (problem(item, own, _inside(place, key)) for key, item, own in items)
    return next((found for found in problems if found is not None), None)


def fitting(path: Path, shape: Any) -> Iterator[dict[str, Any]]:
    """The lines of a JSON-lines file that fit; nothing where there is none, or no text."""
    try:
        for raw in lines(path):
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if problem(line, shape) is None:
                yield line
    except OSError:
        return


_NAMES = {int: "a whole number", Count: "a whole number from 0", float: "a number", str: "a text",
          object: "a value", np.ndarray: "an array"}  # fmt: skip


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is object
    if kind is Count:
        return isinstance(value, int) and 0 <= value < 1 << 63
    return isinstance(value, kind) and (not isinstance(value, int) or abs(value) < 1 << 63)


def _needed(shape: dict[Any, Any]) -> list[str]:
    return [key for key in shape if isinstance(key, str) and not key.endswith("?")]


def _shape_of(key: str, shape: dict[Any, Any]) -> Any:
    return shape.get(key, shape.get(f"{key}?", shape.get(str, object)))


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _expected(what: str, value: Any, place: str) -> str:
    received = f"received {json.dumps(value, default=lambda _: 'an array')!s:.40}"
    return f"`{place}` must be {what}, {received}" if place else f"must be {what}, {received}"
