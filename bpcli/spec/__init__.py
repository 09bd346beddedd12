"""The language of specs. Reading needs the yaml package, so it is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpcli.spec.dump import dump_spec as dump_spec
    from bpcli.spec.dump import resolve_paths as resolve_paths
    from bpcli.spec.load import load_spec as load_spec
    from bpcli.spec.load import parse_spec as parse_spec
    from bpcli.spec.read import read_value as read_value
    from bpcli.spec.schema import json_schema as json_schema

_HOMES = {
    "dump_spec": "bpcli.spec.dump",
    "json_schema": "bpcli.spec.schema",
    "load_spec": "bpcli.spec.load",
    "parse_spec": "bpcli.spec.load",
    "read_value": "bpcli.spec.read",
    "resolve_paths": "bpcli.spec.dump",
}
__all__ = [
    "dump_spec",
    "json_schema",
    "load_spec",
    "parse_spec",
    "read_value",
    "resolve_paths",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bpcli.spec' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
