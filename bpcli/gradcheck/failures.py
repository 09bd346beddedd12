"""A layer that cannot be checked because its own code fails: which layer, where, and how."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from bpcli.errors import BpcliError
from bpcli.network import Layer


@dataclass(frozen=True)
class Failure:
    """What went wrong in the code of a layer; ``method`` is where it was called."""

    layer: str
    method: str
    message: str
    file: str = ""
    line: int = 0


class LayerFailure(Exception):  # noqa: N818  a result of the check, not an error of ours
    """Ends a check that cannot go on."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class NonFiniteForward(BpcliError):  # noqa: N818
    """The forward pass gives values that are not finite: there is nothing to differentiate."""


def broken(layer: Layer, method: str, message: str) -> LayerFailure:
    """The method of the layer breaks the protocol; the failure is placed at its definition."""
    file, line = place(getattr(type(layer), method, type(layer)))
    return LayerFailure(Failure(layer.path, method, message, file, line))


def raised(error: Exception, layers: Iterable[Layer]) -> LayerFailure | None:
    """The error as a failure of the innermost of these layers whose code raised it, if one did.

    An error that is meant for people speaks for itself: None.
    """
    if isinstance(error, BpcliError):
        return None
    known = {id(layer) for layer in layers}
    found: tuple[Layer, FrameType, int] | None = None
    for frame, line in _frames(error.__traceback__):
        owner = frame.f_locals.get("self")
        if id(owner) in known and isinstance(owner, Layer):
            found = (owner, frame, line)
    if found is None:
        return None
    layer, frame, line = found
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    method = frame.f_code.co_name
    return LayerFailure(Failure(layer.path, method, message, shown(frame.f_code.co_filename), line))


def raised_in_class(error: Exception, classes: Iterable[type[Layer]]) -> LayerFailure | None:
    """The error as a failure of a layer that could not even be built: code of these classes
    raised it, before the network was there."""
    if isinstance(error, BpcliError):
        return None
    files = {str(Path(inspect.getfile(kind)).resolve()): kind for kind in classes}
    for frame, line in reversed(list(_frames(error.__traceback__))):
        file = frame.f_code.co_filename
        if str(Path(file).resolve()) in files:
            owner = frame.f_locals.get("self")
            name = (isinstance(owner, Layer) and (owner.path or owner.name)) or ""
            message = f"{type(error).__name__}: {error}"
            return LayerFailure(Failure(name, frame.f_code.co_name, message, shown(file), line))
    return None


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def place(thing: object) -> tuple[str, int]:
    """(file, line) of a class or function, ("", 0) where it has no source."""
    try:
        source = inspect.unwrap(thing) if callable(thing) else thing
        return shown(inspect.getfile(source)), inspect.getsourcelines(source)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return "", 0


def shown(file: str) -> str:
    """The path as one would type it from here."""
    try:
        relative = Path(file).resolve().relative_to(Path.cwd())
    except (ValueError, OSError):
        return file
    return str(relative)
