"""Where several specs differ: paths of the normal form, and what each has there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bpcli.spec.dump import flow
from bpcli.spec.nodes import plain
from bpcli.spec.yaml import read_yaml

_MISSING = object()  # an option that a spec leaves at its default, an item that a list lacks


def differences(texts: Sequence[str]) -> dict[str, list[str | None]]:
    """Path -> the value in each of the texts, as YAML on one line; None where it is not given.

    The texts are specs in normal form, as `spec.yaml` of a run holds them.
    """
    values = [plain(read_yaml(text, "spec.yaml")[0]) for text in texts]
    return {path: list(map(_written, found)) for path, found in _differing("", values)}


def _differing(path: str, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    if all(value == values[0] for value in values):
        return
    given = [value for value in values if value is not _MISSING]
    if all(isinstance(value, dict) for value in given) and not _are_different_things(given):
        keys = dict.fromkeys(key for value in given for key in value)
        inner = [(key, [_item(value, key) for value in values]) for key in keys]
    elif all(isinstance(value, list) for value in given):
        longest = max(map(len, given))
        inner = [(str(n), [_item(value, n) for value in values]) for n in range(longest)]
    else:
        yield path, values
        return
    for key, items in inner:
        yield from _differing(f"{path}.{key}" if path else key, items)


def _are_different_things(values: Sequence[dict[str, Any]]) -> bool:
    """`{sgd: ...}` and `{adam: ...}`: they are told apart whole, not option by option."""
    names = {tuple(value) for value in values}
    return len(names) > 1 and all(len(name) == 1 for name in names)


def _item(value: Any, key: Any) -> Any:
    try:
        return _MISSING if value is _MISSING else value[key]
    except (KeyError, IndexError):
        return _MISSING


def _written(value: Any) -> str | None:
    return None if value is _MISSING else flow(value)
