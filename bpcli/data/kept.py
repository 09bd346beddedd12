"""Between dataclasses of what was fitted on the training part and the plain values of JSON."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np


def plain(value: Any) -> Any:
    """Objects for dataclasses, lists for tuples and arrays."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def restored(kind: Any, value: Any) -> Any:
    """The value of this type that became ``value``; a TypeError if none did.

    Types are dataclasses, tuples of one type of any length, arrays of floats of one dimension,
    int, str, bool, and ``T | None``.
    """
    if is_dataclass(kind):
        wanted = get_type_hints(kind)
        if isinstance(value, dict) and value.keys() == wanted.keys():
            return kind(**{name: restored(wanted[name], value[name]) for name in wanted})  # type: ignore[operator]
    elif NoneType in get_args(kind):
        return None if value is None else restored(get_args(kind)[0], value)
    elif get_origin(kind) is tuple:
        if isinstance(value, list):
            return tuple(restored(get_args(kind)[0], item) for item in value)
    elif get_origin(kind) is np.ndarray:
        if isinstance(value, list) and all(type(item) in (int, float) for item in value):
            return np.array(value, float)
    elif type(value) is kind:
        return value
    raise TypeError(f"{value!r:.40} is no {kind}")
