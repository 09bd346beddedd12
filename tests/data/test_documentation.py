"""The examples of docs/data.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bpcli.data import load_data
from bpcli.spec import parse_spec
from bpcli.spec.data import GENERATORS
from bpcli.spec.options import options_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_loads(example: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((6, 4), np.float32))
    np.save(tmp_path / "y.npy", np.arange(6) % 3)
    text = example.replace("../datasets", str(ROOT / "datasets"))
    dataset = load_data(parse_spec(f"{text}network: [{{dense: 3}}]\n", folder=tmp_path))
    assert all(len(part) for part in dataset.parts.values())


def test_every_generator_is_described_with_its_options() -> None:
    for name, generator in GENERATORS.items():
        options = ", ".join(option.key for option in options_of(generator))
        assert f"| `{name}` | {options} |".replace("|  |", "| |") in TEXT
