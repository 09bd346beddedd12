"""YAML text to nodes: the core schema of YAML 1.2, no magic, and limits; with both parsers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

import bpcli.spec.yaml as reader
from bpcli.spec.nodes import Broken, Mapping, Scalar, Sequence, plain

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=PARSERS, ids=lambda loader: loader.__name__)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Both parsers in turn; a machine may have no libyaml."""
    monkeypatch.setattr(reader, "LOADER", request.param)


pytestmark = pytest.mark.usefixtures("parser")


def value(text: str) -> Any:
    node, problems = reader.read_yaml(text, "f")
    assert not problems
    return plain(node)


def problems(text: str) -> list[str]:
    return [str(problem) for problem in reader.read_yaml(text, "f")[1]]


# from the tables of https://yaml.org/spec/1.2.2/#103-core-schema, and what YAML 1.1 misreads
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001), ("1E3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-.5e+2", -50.0), ("+12", 12),
        ("012", 12), ("-0", 0), ("0o14", 12), ("0x1F", 31), ("0.0", 0.0), ("12e03", 12000.0),
        ("~", None), ("null", None), ("NULL", None), ("", None),
        ("true", True), ("False", False), ("TRUE", True),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"), ("nULL", "nULL"),
        ("12:30", "12:30"), ("1_000", "1_000"), ("2020-01-01", "2020-01-01"), ("0b11", "0b11"),
        ("0o8", "0o8"), ("-0x1F", "-0x1F"), ("1e", "1e"), ("e3", "e3"), (".", "."), ("=", "="),
        ("١٢", "١٢"), ("1,5", "1,5"), ("0X1F", "0X1F"),
        ("'1'", "1"), ('"true"', "true"), ("'null'", "null"), ("''", ""), ("|\n  1", "1"),
        (".inf", math.inf), ("-.INF", -math.inf),
        ('"tab\\tand\\u20ac"', "tab\tand€"),
    ],
)  # fmt: skip
def test_a_scalar_is_read_by_the_core_schema(text: str, expected: Any) -> None:
    received = value(f"a: {text}")["a"]
    assert received == expected
    assert type(received) is type(expected)


def test_nan_is_a_float() -> None:
    assert math.isnan(value("a: .NaN")["a"])


def test_nodes_know_where_they_stand() -> None:
    text = "a: 1\nb:\r\n  - x\n  - {c: [yes, 2]}\n"
    root, _ = reader.read_yaml(text, "f")
    assert isinstance(root, Mapping)
    key, items = root.entries[1]
    assert (key.text, key.start.line, key.start.column) == ("b", 2, 1)
    assert isinstance(items, Sequence)
    assert isinstance(items.items[1], Mapping)
    c, inner = items.items[1].entries[0]
    assert (c.start.line, c.start.column) == (4, 6)
    assert text[c.start.offset : c.end.offset] == "c"
    assert isinstance(inner, Sequence)
    two = inner.items[1]
    assert isinstance(two, Scalar)
    assert two.value == 2
    assert text[two.start.offset : two.end.offset] == "2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", ["f:3:1: the key 'a' stands in line 1 already"]),
        ("a: &x 1\nb: *x", ["f:1:4: anchors (&x) are not part of specs",
                            "f:2:4: aliases (*x) are not part of specs"]),
        ("? *x\n: 3", ["f:1:3: aliases (*x) are not part of specs"]),
        ("<<: {a: 1}", ["f:1:1: merge keys (<<) are not part of specs"]),
        ("a: !!int '3'", ["f:1:4: tags (tag:yaml.org,2002:int) are not part of specs"]),
        ("a: !!python/object/apply:os.system ['true']",
         ["f:1:4: tags (tag:yaml.org,2002:python/object/apply:os.system) are not part of specs"]),
        ("? [1]\n: 2", ["f:1:3: a key must be a name, received a list or mapping"]),
        ("a: 1\n---\nb: 2", ["f:2:1: a spec is one YAML document, a second one begins here"]),
        ("a: " + "9" * 5000, ["f:1:4: a number of 5,000 characters, 100 are enough"]),
        ('a: "\\0"', [r"f:1:4: a text may not hold control characters, received '\x00'"]),
        ("a\0b", ["f:1:2: the character U+0000 may not stand in YAML; is it text?"]),
        ("a: 1\n\x1b[31m", ["f:2:1: the character U+001B may not stand in YAML; is it text?"]),
        ("a: \udcff", ["f:1:4: the character U+DCFF may not stand in YAML; is it text?"]),
        ("a:\n\tb: 1", ["f:2:1: not valid YAML: YAML is indented with spaces, this is a tab"]),
        ("a: b: c",
         ["f:1:5: not valid YAML: a ': ' does not fit here; a text with it needs quotes"]),
        ("a: @b", ["f:1:4: not valid YAML: a text that starts with this character needs quotes"]),
        ("a: 'b\nc: 1\n",
         ["f:3:1: not valid YAML: a quote is not closed (begun in line 1)"]),
        ("a: [1, 2\nb: 3",
         ["f:2:2: not valid YAML: a list in [ ] lacks a ',' or its ']' (begun in line 1)"]),
        ("a: {b: 1, c: 2\n",
         ["f:2:1: not valid YAML: a mapping in { } lacks a ',' or its '}' (begun in line 1)"]),
        ("a:\n  b: 1\n c: 2\n",
         ["f:3:2: not valid YAML: the indentation does not fit the lines above, or a ':' is "
          "missing (begun in line 1)"]),
        ("a: 1\n- b\n",
         ["f:2:1: not valid YAML: the indentation does not fit the lines above, or a ':' is "
          "missing (begun in line 1)"]),
    ],
)  # fmt: skip
def test_what_a_spec_may_not_use_is_a_problem_at_its_place(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_all_problems_of_form_come_at_once() -> None:
    assert len(problems("a: &x 1\na: !t 2\n<<: 3\n? {}\n: 4\n")) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (reader.LARGEST_SIZE + 1), "at most 1,048,576 characters"),
        ("[" * 65, "nested deeper than 64 levels"),
        ("- " * 65, "nested deeper than 64 levels"),
        ("{a: " * 65, "nested deeper than 64 levels"),
        ("[" + "1," * (reader.LARGEST_COUNT + 1), "at most 100,000 values"),
    ],
    ids=["size", "lists", "blocks", "mappings", "count"],
)
def test_limits_hold_before_anything_is_built(text: str, message: str) -> None:
    node, found = reader.read_yaml(text, "f")
    assert isinstance(node, Broken)
    assert [message in str(problem) for problem in found] == [True]


def test_the_deepest_that_is_allowed_is_read() -> None:
    assert value("[" * 64 + "]" * 64) is not None


def test_an_escape_beyond_unicode_is_a_problem() -> None:
    assert "not valid YAML" in problems('a: "\\UFFFFFFFF"')[0]


def test_a_lone_surrogate_is_a_problem() -> None:
    (found,) = problems('a: "\\ud800"')
    assert "Unicode character escape" in found or "control characters" in found


def test_an_empty_text_is_nothing() -> None:
    assert value("") is None
    assert value("# a comment\n") is None
