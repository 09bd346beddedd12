"""The JSON Schema of specs, for editors; made from the same options that the reader uses."""

from __future__ import annotations

import inspect
from typing import Any

from bpcli.spec import options
from bpcli.spec.dump import plain_value
from bpcli.spec.model import FAMILIES, Spec
from bpcli.spec.options import Kind, Option, main_option, options_of

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema of a whole spec (draft 2020-12); `$defs` holds a family or a section each."""
    definitions: Schema = {family: _family(things) for family, things in FAMILIES.items()}
    for model in _sections(Spec):
        definitions[model.__name__] = _options_schema(model)
    number = {"type": "number"}
    nested = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/numbers"}}
    definitions["numbers"] = {"anyOf": [number, nested]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bpcli spec",
        **_options_schema(Spec),
        "$defs": definitions,
    }


def _sections(model: type) -> list[type]:
    """The classes of all sections inside, each once."""
    found: list[type] = []
    for option in options_of(model):
        if isinstance(option.kind, options.Record):
            found += [option.kind.model, *_sections(option.kind.model)]
    return list(dict.fromkeys(found))


def _family(things: dict[str, type]) -> Schema:
    """Either a bare name, or one name with its options."""
    bare = [
        {"const": name, "description": _description(model)}
        for name, model in things.items()
        if not any(option.required for option in options_of(model))
    ]
    named = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {name: _named(name, model) for name, model in things.items()},
    }
    return {"anyOf": [*bare, named]}


def _named(name: str, model: type) -> Schema:
    """What may follow a name: its main option, all options, or nothing."""
    main = main_option(model)
    forms = [_options_schema(model)]
    if main is not None:
        forms.insert(0, main.kind.schema())
    if not any(option.required for option in options_of(model)):
        forms.append({"type": "null"})
    return {"title": name, "description": _description(model), "anyOf": forms}


def _options_schema(model: type) -> Schema:
    found = options_of(model)
    required = [option.key for option in found if option.required]
    return {
        "type": "object",
        "description": _description(model),
        "properties": {option.key: _option(option) for option in found},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _option(option: Option) -> Schema:
    schema = option.kind.schema()
    if not option.required and (option.default is None or _may_be_empty(option.kind)):
        schema = {"anyOf": [schema, {"type": "null"}]}
    if option.doc:
        schema = {**schema, "description": option.doc}
    if not option.required and option.default is not None:
        schema = {**schema, "default": plain_value(option.default, option.kind)}
    return schema


def _may_be_empty(kind: Kind) -> bool:
    return isinstance(kind, options.Record)


def _description(model: type) -> str:
    """The first paragraph of the docstring."""
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())
