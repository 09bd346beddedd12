"""A layer that cannot be checked because its own code fails: which layer, where, and how."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from bpcli.errors import BpcliError
from bpcli.network import Chain, Layer, Node
from bpcli.spec.layers import LayerOptions


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


# what a layer's code may end with; an interrupt is the user's
ENDS = (Exception, SystemExit)


def raised(error: BaseException, layers: Iterable[Layer]) -> LayerFailure | None:
    """The error as a failure of the innermost of these layers, or of their copies, whose code
    raised it, if one did.

    An error that is meant for people speaks for itself: None.
    """
    if isinstance(error, LayerFailure):
        return error
    if isinstance(error, BpcliError):
        return None
    known = {layer.path for layer in layers}
    message = _message(error)
    found = None
    for frame, line in _frames(error.__traceback__):
        method, file = frame.f_code.co_name, frame.f_code.co_filename
        owner, node = frame.f_locals.get("self"), frame.f_locals.get("node")
        if isinstance(owner, Layer) and owner.path in known:
            found = LayerFailure(Failure(owner.path, method, message, shown(file), line))
        elif (
            isinstance(owner, Chain) and isinstance(node, Node) and node.layer.path in known
        ):  # what it returns is no good
            expected = "must return (outputs, cache); " if method == "forward" else ""
            found = broken(node.layer, method, expected + message)
    return found


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"SystemExit: it ends the program, with {error.code!r}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def raised_in_class(error: BaseException, options: Iterable[LayerOptions]) -> LayerFailure | None:
    """The error as a failure of a user's layer that could not even be built: its code raised it,
    or it gave a shape that is none, before the network was there."""
    files = {_file(each) for each in _own_layers(options)}
    if isinstance(error, BpcliError) or not files:
        return None
    message, found = _message(error), None
    for frame, line in _frames(error.__traceback__):
        owner, method = frame.f_locals.get("self"), frame.f_code.co_name
        if str(Path(frame.f_code.co_filename).resolve()) in files:
            name = (isinstance(owner, Layer) and (owner.path or owner.name)) or ""
            found = LayerFailure(
                Failure(name, method, message, shown(frame.f_code.co_filename), line)
            )
        elif isinstance(owner, Chain) and found is None:  # it gave no shape
            layer = frame.f_locals.get("layer")
            if isinstance(layer, Layer) and _file(layer) in files:
                found = broken(layer, "output_shape", message)
    return found


def _file(layer: Layer) -> str:
    return str(Path(inspect.getfile(type(layer))).resolve())


def _own_layers(options: Iterable[LayerOptions]) -> Iterator[Layer]:
    """Those that are a user's, inside others too."""
    for each in options:
        if isinstance(each, Layer):
            yield each
        yield from _own_layers(getattr(each, "layers", ()))


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
