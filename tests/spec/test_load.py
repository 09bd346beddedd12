"""Files as they are found: missing, not text, from Windows, from standard input."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bpcli
from bpcli.errors import SpecError
from bpcli.spec import load_spec, parse_spec
from bpcli.spec.model import Place

from .specs import BASE

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def message(path: Path | str) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return str(caught.value)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "my.spec.yaml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_a_spec(path: Path) -> None:
    assert load_spec(path).name == path.stem


def test_the_name_is_the_files_stem_unless_given(tmp_path: Path) -> None:
    spec = bpcli.load_spec(written(tmp_path, BASE.encode()))
    assert spec.name == "my.spec"
    assert spec.source.folder == tmp_path
    assert spec.source.file == str(tmp_path / "my.spec.yaml")
    named = written(tmp_path, BASE.encode() + b"name: given\n")
    assert load_spec(named).name == "given"


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf" + BASE.encode(), BASE.replace("\n", "\r\n").encode(), BASE.encode().rstrip()],
    ids=["byte order mark", "CRLF", "no last newline"],
)
def test_files_of_all_editors_are_read(tmp_path: Path, content: bytes) -> None:
    spec = load_spec(written(tmp_path, content))
    assert spec.network == parse_spec(BASE).network
    assert spec.source.place("network.1") == Place(4, 5)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: caf\xe9\n", "{}:2:7: is not UTF-8 text (byte 0xe9); save it as UTF-8"),
        (BASE.encode("utf-16"), "{}: is UTF-16; save it as UTF-8"),
        (BASE.encode("utf-32"), "{}: is UTF-32; save it as UTF-8"),
        (b"a: 1\0", "{}:1:5: the character U+0000 may not stand in YAML; is it text?"),
        (b"\x1f\x8b\x08", "{}:1:2: is not UTF-8 text (byte 0x8b); save it as UTF-8"),
        (b"#" * 5_000_000, "{}: a spec holds at most 1,048,576 characters"),
        ("€".encode() * 1_800_000, "{}: a spec holds at most 1,048,576 characters"),
    ],
    ids=[
        "latin-1",
        "utf-16",
        "utf-32",
        "nul",
        "gzip",
        "too large",
        "too large, cut in a character",
    ],
)
def test_what_is_not_text_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = written(tmp_path, content)
    assert message(path) == expected.format(path)


def test_a_missing_file_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    written(tmp_path, b"")
    path = tmp_path / "my.spek.yaml"
    assert message(path) == f"{path}: no such file; did you mean 'my.spec.yaml'?"
    assert message(tmp_path / "no" / "a.yaml") == f"{tmp_path / 'no' / 'a.yaml'}: no such file"


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    assert message(tmp_path) == f"{tmp_path}: is a directory, not a spec"


def test_a_path_below_a_file_is_no_spec(tmp_path: Path) -> None:
    path = written(tmp_path, b"") / "a.yaml"
    assert message(path) == f"{path}: cannot be read: not a directory"


def test_a_nul_in_the_path_is_refused() -> None:
    assert "cannot be read" in message("a\0b.yaml")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, BASE.encode())
    path.chmod(0)
    assert message(path) == f"{path}: cannot be read: permission denied"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BASE.encode())))
    spec = load_spec("-")
    assert (spec.name, spec.source.file, spec.source.folder) == ("stdin", "<stdin>", Path())
    assert spec.network == parse_spec(BASE).network


def test_settings_and_seed_reach_the_spec(tmp_path: Path) -> None:
    path = written(tmp_path, BASE.encode())
    spec = load_spec(path, settings=["training.epochs=3"], seed=4)
    assert (spec.training.epochs, spec.seed) == (3, 4)


def test_the_model_loads_no_yaml() -> None:
    code = "import sys, bpcli.spec.layers, bpcli.spec.read; print('yaml' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
