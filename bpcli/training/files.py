"""Writing that a crash, a full disk or a second process cannot turn into half a file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from errno import EISDIR
from pathlib import Path
from typing import Any

from bpcli.errors import WriteError

TEMPORARY = ".tmp"


def write_atomic(
    path: Path,
    content: bytes,
    *,
    previous: Path | None = None,
    verify: Callable[[Path], object] = lambda path: None,
) -> None:
    """The path holds all of the content afterwards, or what it held before; raises WriteError.

    ``verify`` reads what was written and raises if it is not good; only then is the file put in
    place. What stood there is kept as ``previous``.
    """
    temporary = _temporary(path)
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # anew: a link of that name is not followed
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        verify(temporary)
        if previous is not None:
            with suppress(FileNotFoundError):
                os.replace(path, previous)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise could_not_write(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_result(
    path: Path, content: bytes, *, verify: Callable[[Path], object] = lambda path: None
) -> None:
    """Writes a file that a user named: a link stays one, and a device or pipe what it is."""
    try:
        if not _is_special(path):
            write_atomic(_behind_links(path), content, verify=verify)
            return
        with path.open("wb") as file:
            file.write(content)
    except OSError as error:
        raise could_not_write(path, error) from None


def check_place(path: Path) -> None:
    """Raises WriteError where :func:`write_result` would, before work is done for the content."""
    try:
        if _is_special(path):
            return
        temporary = _temporary(_behind_links(path))
        temporary.open("xb").close()
        temporary.unlink()
    except OSError as error:
        raise could_not_write(path, error) from None


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _behind_links(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _temporary(path: Path) -> Path:
    """Beside the path; its name is none that is too long where the path's own is not."""
    if path.is_dir():
        raise could_not_write(path, IsADirectoryError(EISDIR, os.strerror(EISDIR)))
    return path.with_name(f"{path.name[:50]}.{os.getpid()}{TEMPORARY}")


def sync_folder(folder: Path) -> None:
    """Makes a rename last through a power failure, where the system offers it."""
    with suppress(PermissionError, NotImplementedError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes what writers that were killed left behind."""
    for temporary in folder.glob(f"*.[0-9]*{TEMPORARY}"):
        with suppress(OSError):
            temporary.unlink()


def could_not_write(path: Path, error: OSError) -> WriteError:
    """The error with the path and the system's reason."""
    return WriteError(f"could not write {path}: {error.strerror or error}")


_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def to_json(document: dict[str, Any], *, indent: int | None = None) -> str:
    """JSON in which numbers that are not finite are null, their places listed in `non_finite`."""
    if indent is None:
        with suppress(ValueError):  # one is not finite
            return _PLAIN.encode(document)
    places: list[str] = []
    clean = _finite(document, "", places)
    if places:
        clean["non_finite"] = places
    return json.dumps(clean, indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any, place: str, places: list[str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        places.append(place)
        return None
    if isinstance(value, dict):
        dot = "." if place else ""
        return {key: _finite(item, f"{place}{dot}{key}", places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, f"{place}.{index}", places) for index, item in enumerate(value)]
    return value
