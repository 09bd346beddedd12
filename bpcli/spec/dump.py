"""A spec as YAML again, in normal form.

The text means the same to readers of YAML 1.1 and 1.2: `1.0e-05` has its point, `"no"` its quotes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bpcli.errors import DataError
from bpcli.spec import options
from bpcli.spec.data import DataOptions
from bpcli.spec.model import Spec
from bpcli.spec.options import Kind, Option, options_of

_WIDTH = 96
_ALWAYS = ("name", "seed", "dtype", "optimizer", "training")  # written even at their defaults
_UNQUOTED = re.compile(r"(?:\.\.?/)*[A-Za-z_/][A-Za-z0-9_./-]*")
_RESERVED = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


def dump_spec(spec: Spec) -> str:
    """YAML that reads back to an equal spec; options at their default are left out, except those
    that say how the run goes: seed, precision, optimizer and training."""
    return "".join(dump_section(option, getattr(spec, option.field)) for option in reading_order())


def dump_section(option: Option, value: Any) -> str:
    """The lines of one option of a spec; none where it has its default and goes without saying."""
    always = option.key in _ALWAYS
    if not always and value == option.default:
        return ""
    content = plain_value(value, option.kind, full=always)
    return "".join(f"{line}\n" for line in _section(option.key, content))


@cache
def reading_order() -> tuple[Option, ...]:
    """The options of a spec, the name and the seed first, as in a file that a person writes."""
    return tuple(sorted(options_of(Spec), key=lambda option: option.key not in _ALWAYS[:3]))


def resolve_paths(spec: Spec, folder: Path | None = None) -> Spec:
    """The spec with the paths of its data absolute; they are relative to the folder, or else to
    that of the spec's file."""
    folder = spec.source.folder if folder is None else folder
    data: DataOptions = _resolved(spec.data, folder)
    data = dataclasses.replace(
        data,
        validation=data.validation and _resolved(data.validation, folder),
        test=data.test and _resolved(data.test, folder),
    )
    return dataclasses.replace(spec, data=data)


def _resolved(source: Any, folder: Path) -> Any:
    files = ["path", "images", "labels"]
    if source.path is None:  # else they are names in an .npz
        files += ["inputs", "targets"]
    absolute = {
        file: _absolute(folder / getattr(source, file))
        for file in files
        if getattr(source, file) is not None
    }
    return dataclasses.replace(source, **absolute)


def _absolute(path: Path) -> str:
    absolute = str(path.resolve())
    try:
        absolute.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{absolute}: the name is not UTF-8, so that no spec can hold it; rename the file or "
            "its folder"
        ) from None
    return absolute


def plain_value(value: Any, kind: Kind, *, full: bool = False) -> Any:
    """A value of the model as plain Python, in normal form; ``full`` keeps default options."""
    match kind:
        case options.Record() if value is not None:
            return _options(value, full=full)
        case options.Mapping():
            return dict(value)
    named: Any = value if dataclasses.is_dataclass(value) else None
    if named is not None:
        given = _options(named, full=full)
        return {named.name: given} if given else named.name
    if isinstance(value, tuple):
        inner = options.Choice("layer") if isinstance(kind, options.Layers) else kind
        return [plain_value(item, inner) for item in value]
    return value


def _options(value: Any, *, full: bool) -> dict[str, Any]:
    given = {option: getattr(value, option.field) for option in options_of(type(value))}
    return {
        option.key: plain_value(item, option.kind, full=full)
        for option, item in given.items()
        if item is not None and (full or item != option.default)
    }


def _section(key: str, value: Any) -> Iterator[str]:
    """The data and the network always as blocks, a line for each option and layer."""
    if key == "network":
        yield "network:"
        for layer in value:
            yield from _item(layer, "  ")
    elif key == "data":
        yield "data:"
        yield from _block(value, "  ")
    else:
        yield from _block({key: value}, "")


def _block(value: Any, indent: str) -> Iterator[str]:
    """A mapping or list over several lines, each part on one where it fits."""
    if isinstance(value, list):
        for item in value:
            yield from _item(item, indent)
        return
    for key, item in value.items():
        line = f"{indent}{_scalar(key)}: {flow(item)}"
        if len(line) <= _WIDTH or not isinstance(item, (dict, list)) or not item:
            yield line
        else:
            yield f"{indent}{_scalar(key)}:"
            yield from _block(item, indent + "  ")


def _item(item: Any, indent: str) -> Iterator[str]:
    if not isinstance(item, (dict, list)) or not item:
        yield f"{indent}- {flow(item)}"
        return
    bare = _pairs(item) if isinstance(item, dict) and len(item) == 1 else flow(item)
    if len(indent) + 2 + len(bare) <= _WIDTH:
        yield f"{indent}- {bare}"
        return
    lines = list(_block(item, indent + "  "))
    yield f"{indent}- {lines[0].lstrip()}"
    yield from lines[1:]


def flow(value: Any) -> str:
    """A plain value on one line: `{units: 64, init: he_normal}`."""
    if isinstance(value, dict):
        return f"{{{_pairs(value)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return _scalar(value)


def _pairs(value: dict[str, Any]) -> str:
    return ", ".join(f"{_scalar(key)}: {flow(item)}" for key, item in value.items())


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return mantissa + (".0" if e and "." not in mantissa else "") + e + exponent
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _UNQUOTED.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
