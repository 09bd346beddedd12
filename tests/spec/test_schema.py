"""The JSON Schema says what the reader says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpcli.spec import json_schema
from bpcli.spec.model import FAMILIES
from bpcli.spec.nodes import plain
from bpcli.spec.options import options_of
from bpcli.spec.yaml import read_yaml

from .specs import BASE
from .test_read import WRONG

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from ([schema["$ref"]] if "$ref" in schema else [])
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def test_it_is_plain_json_and_every_reference_leads_somewhere() -> None:
    schema = json.loads(json.dumps(json_schema(), allow_nan=False))
    targets = {f"#/$defs/{name}" for name in schema["$defs"]}
    assert set(references(schema)) == targets


@pytest.mark.parametrize("family", FAMILIES)
def test_every_named_thing_is_in_it_with_its_options(family: str) -> None:
    *bare, named = json_schema()["$defs"][family]["anyOf"]
    assert set(named["properties"]) == set(FAMILIES[family])
    for name, model in FAMILIES[family].items():
        found = options_of(model)
        forms = named["properties"][name]["anyOf"]
        (section,) = [form for form in forms if form.get("type") == "object"]
        assert list(section["properties"]) == [option.key for option in found]
        required = any(option.required for option in found)
        assert ({"type": "null"} in forms) is not required
        assert (name in [form["const"] for form in bare]) is not required
        assert named["properties"][name]["description"]


def test_it_accepts_good_specs_and_rejects_wrong_ones() -> None:
    """Wrong in ways that a schema can say: shapes and sums are left to the reader."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(json_schema())
    validator = jsonschema.Draft202012Validator(json_schema())

    def accepts(text: str) -> bool:
        return bool(validator.is_valid(plain(read_yaml(text, "f")[0])))

    for path in CONFIGS:
        assert accepts(path.read_text(encoding="utf-8")), path
    assert accepts(BASE)
    beyond = ("exactly one", "go together", "name arrays", "is for tables", "must leave", "must go",
              "low must be", "at most", "nesterov needs", "watches", "equally long",
              "not finite", "received 4.0", "received 1e3")  # fmt: skip
    for old, new, messages in WRONG:
        if not any(words in messages[0] for words in beyond):
            assert not accepts(BASE.replace(old, new, 1)), new
