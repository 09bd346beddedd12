"""Imports run one way, and the numeric core stays free of the terminal and of files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "bpcli"
# each room may import itself, the rooms of its set, and the leaves `errors` and `memory`
MAY_IMPORT = {
    "spec": set(),
    "network": {"spec"},
    "optimization": {"spec"},
    "data": {"spec"},
    "process": set(),
    "memory": set(),
    "layers_file": {"network"},
    "build": {"spec", "network", "data"},
    "training": {"spec", "network", "optimization", "data"},
    "benchmark": {"spec", "network", "optimization", "data", "training"},
    "gradcheck": {"spec", "network", "optimization", "data", "training"},
    "diagnosis": {
        "spec", "network", "optimization", "data", "training", "build", "gradcheck",
    },
    "sweep": {
        "spec", "network", "optimization", "data", "training", "build", "gradcheck", "diagnosis",
        "layers_file",
    },
}  # fmt: skip
OWNERS = {"click": {"cli"}, "rich": {"report"}, "yaml": {"spec"}}


def imports(file: Path) -> set[str]:
    """Every module that a file imports anywhere, with its full name."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def room(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_run_one_way(file: Path) -> None:
    here = room(file)
    if here in MAY_IMPORT:
        allowed = MAY_IMPORT[here] | {here, "errors", "memory"}
        ours = {name.split(".")[1] for name in imports(file) if name.startswith("bpcli.")}
        assert ours <= allowed
    for package, owners in OWNERS.items():
        if here not in owners:
            assert package not in {name.split(".")[0] for name in imports(file)}


def test_the_design_names_every_room() -> None:
    design = (ROOT.parent / "docs" / "design.md").read_text(encoding="utf-8")
    rows = [line for line in design.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([\w.]+/?)`", row.split("|")[1])}
    there = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir()}
    there |= {path.name for path in ROOT.glob("*.py")}
    assert named == there - {"__pycache__/", "__init__.py", "__main__.py"}


@pytest.mark.parametrize("place", sorted(MAY_IMPORT))
def test_the_design_tells_what_a_room_imports(place: str) -> None:
    """What the table of the design allows is allowed here, and is all that the room does."""
    design = (ROOT.parent / "docs" / "design.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| .*`{place}(?:/|\.py)`.*$", design, re.MULTILINE)
    assert row is not None
    said = set(re.findall(r"`(\w+)`", row[0].split("|")[3]))
    ours = {name for file in FILES if room(file) == place for name in imports(file)}
    done = {name.split(".")[1] for name in ours if name.startswith("bpcli.")}
    assert done - {place, "errors", "memory"} <= said <= MAY_IMPORT[place]


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()}


def test_the_numeric_core_loads_no_terminal_and_no_yaml() -> None:
    assert not {"click", "rich", "yaml"} & loaded_by("import bpcli.network")


def test_import_bpcli_is_lazy() -> None:
    assert not {"numpy", "click", "rich", "yaml"} & loaded_by("import bpcli")
