"""The reference of the spec language in Markdown, from the options that the reader uses.

python -m bpcli.spec.reference > docs/spec.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from bpcli.spec import options
from bpcli.spec.data import DataOptions, SourceOptions, Split
from bpcli.spec.dump import flow, plain_value
from bpcli.spec.layers import LayerOptions, WeightedOptions
from bpcli.spec.model import FAMILIES, DiagnosisOptions, EarlyStopping, Spec, TrainingOptions
from bpcli.spec.options import Kind, Option, main_option, options_of

_OPENING = """\
# The spec

<!-- made by `python -m bpcli.spec.reference`: change the options, not this page -->

A spec is a YAML file that describes a network, its data and how it is trained. `bpcli schema`
prints the same as a JSON Schema, with which editors complete and check it.

Each layer, init, optimizer, schedule, loss and generator is one name with a mapping of options:
`dense: {units: 64}`. A name alone leaves all options at their defaults, `relu`; a single value
after a name is its **main option**, `dense: 64`. Paths address this form with dots and numbers
from 0, in messages and in `--set`: `network.2.dense.units=16`.

Numbers and truth values are those of YAML 1.2: `1e-3` is a number and `no` is a text. Duplicate
and unknown keys, anchors, aliases, merge keys and tags are errors.
"""
_SECTIONS: dict[str, tuple[type, ...]] = {
    "data": (DataOptions, Split),
    "training": (TrainingOptions, EarlyStopping),
    "diagnosis": (DiagnosisOptions,),
}
FAMILY_TITLES = {
    "layer": "Layers", "init": "Initializers", "optimizer": "Optimizers",
    "schedule": "Schedules", "loss": "Losses", "generator": "Generated data",
}  # fmt: skip


def reference() -> str:
    """The whole page."""
    parts = [_OPENING, "## The file\n", _table(options_of(Spec))]
    for key, models in _SECTIONS.items():
        parts.append(f"## `{key}`\n\n{_description(models[0])}\n")
        parts.append(_table(options_of(models[0])))
        for model in models[1:]:
            parts.append(f"### {_title(model)}\n\n{_description(model)}\n")
            parts.append(_table(options_of(model)))
    parts.append(_another_source())
    for family, title in FAMILY_TITLES.items():
        parts.append(f"## {title}\n")
        parts += [_shared(LayerOptions), _shared(WeightedOptions)] if family == "layer" else []
        parts += [_thing(name, model) for name, model in FAMILIES[family].items()]
    return "\n".join(parts)


def _another_source() -> str:
    keys = ", ".join(f"`{option.key}`" for option in options_of(SourceOptions))
    return f"A `validation` or `test` that is a source of its own takes {keys}.\n"


def _shared(model: type) -> str:
    """The options that stand in a base class, told once."""
    own = _own(model, LayerOptions if model is not LayerOptions else object)
    who = "Any layer takes" if model is LayerOptions else "Layers with a weight and a bias take"
    return f"{who}:\n\n{_table(own)}"


def _thing(name: str, model: type) -> str:
    shared = WeightedOptions if issubclass(model, WeightedOptions) else LayerOptions
    own = _own(model, shared) if issubclass(model, LayerOptions) else options_of(model)
    weighted = " It has a weight and a bias." if issubclass(model, WeightedOptions) else ""
    table = f"\n{_table(own, main_option(model))}" if own else ""
    return f"### `{name}`\n\n{_description(model)}{weighted}\n{table}"


def _own(model: type, base: type) -> tuple[Option, ...]:
    """The options that the base does not have, or has otherwise."""
    if base is object:
        return options_of(model)
    known = set(options_of(base))
    return tuple(option for option in options_of(model) if option not in known)


def _table(rows: tuple[Option, ...], main: Option | None = None) -> str:
    lines = ["| option | value | default | |", "| --- | --- | --- | --- |"]
    lines += [" | ".join(_row(option, main)) for option in rows]
    return "".join(f"{line}\n" for line in lines)


def _row(option: Option, main: Option | None) -> Iterator[str]:
    key = f"**`{option.key}`**" if option == main else f"`{option.key}`"
    yield f"| {key}"
    yield _escaped(_value(option.kind))
    yield _default(option)
    yield f"{_escaped(option.doc)} |"


def _value(kind: Kind) -> str:
    """What it takes; a section is named, its keys have a table of their own."""
    if isinstance(kind, options.Record):
        return "a mapping"
    return kind.expected


def _default(option: Option) -> str:
    if option.required:
        return "*required*"
    default = option.default
    if default is None or isinstance(option.kind, options.Record):
        return ""
    plain = plain_value(default, option.kind)
    return "" if plain in ("", [], {}) else f"`{_escaped(flow(plain))}`"


def _title(model: type) -> str:
    """EarlyStopping: early_stopping"""
    name = model.__name__
    return "`" + "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") + "`"


def _description(model: type) -> str:
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
