"""Whatever a file holds: a spec or a SpecError."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bpcli.errors import SpecError
from bpcli.spec import load_spec, parse_spec
from bpcli.spec import yaml as reader
from bpcli.spec.nodes import plain

from .specs import BASE
from .test_yaml import PARSERS

TEXTS = [path.read_text(encoding="utf-8")
         for path in (Path(__file__).parents[2] / "configs").glob("*.yaml")] + [BASE]  # fmt: skip
PIECES = ["{", "}", "[", "]", ": ", "- ", "\n", "\t", "  ", ",", "&a ", "*a", "!t ", "<<: ",
          "---\n", "'", '"', "|", ">", "#", "? ", "%", "null", "true", "1e999", "-1", "0x", ".nan",
          "dense", "relu", "residual: ", "repeat: ", "times: ", "layers: ", "data: ", "generate: ",
          "xor", "network", "adam: ", "values: [[1], 2]", "\x00", "\udc80", "é",
          "9" * 200]  # fmt: skip


@st.composite
def mutated(draw: Any) -> str:
    """A spec with pieces cut out, put in and put elsewhere."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 20)))
        piece = draw(st.sampled_from(PIECES) | st.just(text[start:end]) | st.just(""))
        text = text[:start] + piece + text[end:]
    return text


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_a_mutated_spec_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        parse_spec(text)


@pytest.mark.skipif(len(PARSERS) < 2, reason="has no libyaml to compare with")
@settings(max_examples=150, deadline=None)
@given(mutated())
def test_what_both_parsers_read_they_read_alike(text: str) -> None:
    """They differ only in which rare texts they refuse."""

    def read(parser: Any) -> Any:
        before, reader.LOADER = reader.LOADER, parser
        try:
            node, problems = reader.read_yaml(text, "f")
        finally:
            reader.LOADER = before
        return None if problems else plain(node)

    first, second = (read(parser) for parser in PARSERS)
    assert first is None or second is None or repr(first) == repr(second)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300))
@example(content=b"\xff\xfe")
@example(content=b"{" * 100)
def test_any_bytes_are_read_or_refused(content: bytes, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("spec") / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError):
        load_spec(path)


@settings(max_examples=150, deadline=None)
@given(
    path=st.lists(st.sampled_from(["network", "0", "1", "2", "3", "dense", "relu", "residual",
                                   "layers", "bias", "init", "values", "constant", "training",
                                   "early_stopping", "optimizer", "adam", "data", "x", "", "-1",
                                   "repeat", "units", "freeze", "generate", "99999999999"]),
                  max_size=6).map(".".join),
    value=st.sampled_from(PIECES) | st.text(max_size=5),
)  # fmt: skip
def test_any_setting_is_made_or_refused(path: str, value: str) -> None:
    with contextlib.suppress(SpecError):
        parse_spec(BASE, settings=[f"{path}={value}"])


LONG = {
    "brackets": "[" * 100_000,
    "numbers": "[" + "1," * 49_000 + "1]",
    "duplicate keys": "a: 1\n" * 20_000,
    "unknown keys": "".join(f"k{number}: 1\n" for number in range(10_000)),
    "unknown layers": "network:\n" + "- rleu\n" * 14_000,
    "wrong layers": "network:\n" + "- dense\n" * 12_000,
    "layers": BASE.replace("- relu\n", "- relu\n" + "  - relu\n" * 9_000),
    "anchors": "- &a 1\n" * 14_000,
    "a quote": '"' + "a" * 100_000,
    "a long name": "network: [" + "a" * 100_000 + "]",
    "a long key": "a" * 900 + ": 1\n",
    "zeros": "seed: 0." + "0" * 100_000,
    "deep residuals": "network: [" + "residual: [" * 30 + "relu" + "]" * 31,
    "values": BASE.replace("[[1, 2], [3, 4]]", "[" + "[1, 2, 3]," * 10_000 + "[x]]"),
}


@pytest.mark.parametrize("name", LONG)
def test_a_hundred_thousand_characters_of_anything_are_read_or_refused(name: str) -> None:
    """Each takes a fraction of a second; what is quadratic in the length would take minutes."""
    with contextlib.suppress(SpecError):
        parse_spec(LONG[name])


def test_the_deepest_network_that_is_allowed_is_read() -> None:
    """64 levels: the spec, its network, and a block's mapping and list for each residual."""
    layers = "{residual: [" * 31 + "relu" + "]}" * 31
    spec = parse_spec(f"data: {{generate: xor}}\nnetwork: [{layers}]\nloss: mse\n")
    depth, layer = 0, spec.network[0]
    while hasattr(layer, "layers"):
        depth, layer = depth + 1, layer.layers[0]
    assert depth == 31
