"""A spec that moves to another folder keeps its data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpcli.spec.changes import Change
from bpcli.spec.data import SourceOptions
from bpcli.spec.model import Spec

_FILES = ("path", "images", "labels", "inputs", "targets")


def relocation(spec: Spec, folder: Path) -> list[Change]:
    """What makes the spec's relative paths mean the same files from that folder."""
    before = spec.source.folder
    if before.resolve() == folder.resolve():
        return []
    parts = {
        "data": spec.data,
        "data.validation": spec.data.validation,
        "data.test": spec.data.test,
    }
    return [
        Change("set", f"{place}.{option}", _moved(file, before, folder))
        for place, source in parts.items()
        if source is not None
        for option, file in _files_of(source)
        if not Path(file).is_absolute()
    ]


def with_copies(spec: Spec, copies: Mapping[str, str]) -> Spec:
    """The spec with each file of its data, by its absolute path, at another place."""

    def moved(source: Any) -> Any:
        files = {option: copies.get(file, file) for option, file in _files_of(source)}
        return replace(source, **files)

    data = spec.data
    parts = {part: moved(own) for part in ("validation", "test") if (own := getattr(data, part))}
    return replace(spec, data=replace(moved(data), **parts))


def _files_of(source: SourceOptions) -> Iterator[tuple[str, str]]:
    """In an .npz, `inputs` and `targets` are names of arrays, not files."""
    for option in _FILES if source.path is None else _FILES[:3]:
        file = getattr(source, option)
        if file is not None:
            yield option, file


def _moved(file: str, before: Path, folder: Path) -> str:
    """Without the detours of symbolic links, where the way without them leads to the same file."""
    plain, real = os.path.abspath(before / file), str((before / file).resolve())
    try:
        return os.path.relpath(plain if os.path.realpath(plain) == real else real, folder)
    except ValueError:  # on another drive
        return real
