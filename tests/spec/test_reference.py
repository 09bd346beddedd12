"""docs/spec.md is what the options say, and names everything that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpcli.spec.model import FAMILIES, Spec
from bpcli.spec.options import options_of
from bpcli.spec.reference import FAMILY_TITLES, reference

PAGE = Path(__file__).parents[2] / "docs" / "spec.md"
SHARED = {"name", "init", "bias", "freeze"}  # told once, before the layers


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "python -m bpcli.spec.reference > docs/spec.md"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_has_its_place(family: str) -> None:
    chapter = reference().partition(f"\n## {FAMILY_TITLES[family]}\n")[2].partition("\n## ")[0]
    for name, model in FAMILIES[family].items():
        section = chapter.partition(f"### `{name}`\n")[2].partition("\n### ")[0]
        assert section, name
        for option in options_of(model):
            assert option.key in SHARED or f"`{option.key}`" in section, (name, option.key)


def test_every_key_of_the_file_is_told() -> None:
    assert all(f"| `{option.key}` |" in reference() for option in options_of(Spec))
