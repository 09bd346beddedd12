"""Reads specs from files and texts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from bpcli.errors import Problem, SpecError
from bpcli.spec.model import Spec
from bpcli.spec.nodes import Broken, Mark
from bpcli.spec.read import families_with, read_spec
from bpcli.spec.settings import Setting, change, parse_setting, seed_setting
from bpcli.spec.suggestions import did_you_mean
from bpcli.spec.yaml import LARGEST_SIZE, read_yaml


def load_spec(
    path: str | Path,
    *,
    settings: Sequence[str] = (),
    seed: int | None = None,
    layers: Mapping[str, type] | None = None,
) -> Spec:
    """The spec in a file, ``-`` for standard input; SpecError with all that is wrong with it.

    ``settings`` are changes like ``network.2.dense=16``, made in order before anything is checked;
    ``layers`` are layer classes of the user's own by the names that the spec calls them.
    """
    return load_template(path, layers=layers).spec(settings, seed)


def load_template(path: str | Path, *, layers: Mapping[str, type] | None = None) -> Template:
    """The text in a file, ``-`` for standard input; SpecError where it cannot be read."""
    if str(path) == "-":
        content = sys.stdin.buffer.read(_LARGEST_FILE + 1)
        return Template(_text(content, "<stdin>"), file="<stdin>", name="stdin", layers=layers)
    path = Path(path)
    text = _text(_content(path), str(path))
    return Template(text, file=str(path), folder=path.parent, name=path.stem, layers=layers)


def parse_spec(
    text: str,
    *,
    file: str = "<spec>",
    folder: Path = Path(),
    name: str = "spec",
    settings: Sequence[str] = (),
    seed: int | None = None,
    layers: Mapping[str, type] | None = None,
) -> Spec:
    """The spec that a YAML text says; ``file`` is for messages, ``name`` where it gives none."""
    return Template(text, file=file, folder=folder, name=name, layers=layers).spec(settings, seed)


class Template:
    """A YAML text that is read once, for many specs that differ in settings."""

    def __init__(
        self,
        text: str,
        *,
        file: str = "<spec>",
        folder: Path = Path(),
        name: str = "spec",
        layers: Mapping[str, type] | None = None,
    ) -> None:
        self.text = text
        self.file, self.folder, self.name, self.layers = file, folder, name, layers
        self.root, self.problems = read_yaml(text, file)

    def spec(self, settings: Sequence[str] = (), seed: int | None = None) -> Spec:
        """The spec under these settings; SpecError with all that is wrong with it."""
        root, problems = self.root, list(self.problems)
        changes: list[Setting] = []
        for written in settings:
            setting, wrong = parse_setting(written)
            changes += [setting] if setting else []
            problems += wrong
        if seed is not None:
            changes.append(seed_setting(seed))
        families = families_with(self.layers)
        for setting in changes if not isinstance(root, Broken) else ():
            root, wrong = change(root, setting, families)
            problems += wrong
        return read_spec(
            root, problems, file=self.file, folder=self.folder, name=self.name, layers=self.layers
        )


_LARGEST_FILE = 4 * LARGEST_SIZE  # bytes; a character takes at most four


def _content(path: Path) -> bytes:
    file = str(path)
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        _refuse(file, f"no such file{_near_files(path)}")
    except IsADirectoryError:
        _refuse(file, "is a directory, not a spec")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        _refuse(file, f"cannot be read: {reason.lower()}")


def _near_files(path: Path) -> str:
    try:
        names = [other.name for other in path.parent.iterdir() if other.suffix in (".yaml", ".yml")]
    except OSError:
        return ""
    return did_you_mean(path.name, names)


def _text(content: bytes, file: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        size = 32 if content.startswith(b"\xff\xfe\0\0") else 16
        _refuse(file, f"is UTF-{size}; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) > _LARGEST_FILE:
            _refuse(file, f"a spec holds at most {LARGEST_SIZE:,} characters")
        before = content[: error.start]
        line_start = before.rfind(b"\n") + 1
        column = len(before[line_start:].decode("utf-8", "replace")) + 1
        mark = Mark(file, before.count(b"\n") + 1, column)
        byte = f"0x{content[error.start]:02x}"
        raise SpecError(
            [mark.problem(f"is not UTF-8 text (byte {byte}); save it as UTF-8")]
        ) from None


def _refuse(file: str, message: str) -> NoReturn:
    raise SpecError([Problem(message, file)]) from None
