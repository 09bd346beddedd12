"""Layers of the user's own, from a Python file that the command line names.

A spec never names code to import: whoever runs the command decides what runs.
"""

from __future__ import annotations

import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getsourcelines, signature
from pathlib import Path

from bpcli.errors import BpcliError, Problem
from bpcli.network import Layer

_loaded: set[str] = set()


class LayersFileError(BpcliError):
    """A layers file that cannot be read, or code in it that failed."""


def load_layers(path: Path) -> dict[str, type]:
    """The classes of the file that are layers, by the names that a spec calls them.

    Raises LayersFileError where the file cannot be run or holds none.
    """
    loader_spec = spec_from_file_location(f"bpcli_layers_{path.stem}", path)
    if path.suffix != ".py" or loader_spec is None or loader_spec.loader is None:
        raise LayersFileError(f"{path}: expected a Python file, its name ending in .py")
    if not path.is_file():
        raise LayersFileError(f"{path}: no such file")
    module = module_from_spec(loader_spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    _loaded.add(str(path.resolve()))
    sys.path.insert(0, str(path.parent.resolve()))  # it may import its neighbours
    try:
        loader_spec.loader.exec_module(module)
    except SyntaxError as error:
        raise LayersFileError(str(_problem(path, error.lineno or 0, error))) from None
    except SystemExit as error:
        raise explanation(error) or LayersFileError(f"{path}: it ends the program") from None
    except Exception as error:
        raise explanation(error) or LayersFileError(str(_problem(path, 0, error))) from None
    finally:
        sys.path.pop(0)
    found = [value for value in vars(module).values() if _is_own_layer(value, module.__name__)]
    found = list(dict.fromkeys(found))
    if not found:
        raise LayersFileError(
            f"{path}: expected at least one class that inherits from bpcli.Layer and has a `name`"
        )
    for layer in found:
        _require_methods(layer, path)
    return {layer.name: layer for layer in found}


# what the network passes to each method, as it passes it
_METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "forward": (("inputs", "parameters"), ("training", "random")),
    "backward": (("cache", "output_gradient", "parameters", "gradients"), ()),
    "parameters": (("input_shape",), ()),
    "state": (("input_shape",), ()),
    "output_shape": (("input_shape",), ()),
}


def _require_methods(layer: type[Layer], path: Path) -> None:
    for name, (given, keywords) in _METHODS.items():
        method = getattr(layer, name)
        if name in ("forward", "backward") and method is getattr(Layer, name):
            raise LayersFileError(
                f"{path}:{_line(layer)}: {layer.__name__} has no method `{name}`; a layer needs "
                "`forward` and `backward`"
            )
        try:
            signature(method).bind(None, *given, **dict.fromkeys(keywords))
        except TypeError:
            expected = ", ".join(["self", *given, *(["*", *keywords] if keywords else [])])
            raise LayersFileError(
                f"{path}:{_line(method)}: {layer.__name__}.{name} must take ({expected}), "
                f"it takes {signature(method)}"
            ) from None
        except ValueError:  # not written in Python: nobody can tell
            continue


def _line(thing: object) -> int:
    try:
        return getsourcelines(thing)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return 0


def _is_own_layer(value: object, module: str) -> bool:
    is_layer = isinstance(value, type) and issubclass(value, Layer)
    return is_layer and value.__module__ == module and bool(getattr(value, "name", ""))


def explanation(error: BaseException) -> LayersFileError | None:
    """The error with its place, if it arose in a layers file or in what that called."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if str(Path(frame.filename).resolve()) in _loaded
    ]
    if not frames:
        return None
    last = frames[-1]
    where = "" if last.name == "<module>" else f"in {last.name}: "
    return LayersFileError(str(_problem(_from_here(last.filename), last.lineno or 0, error, where)))


def _from_here(file: str) -> Path:
    """The path as one would type it from here."""
    path = Path(file).resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _problem(path: Path, line: int, error: BaseException, where: str = "") -> Problem:
    message = getattr(error, "msg", None) or str(error)
    return Problem(f"{where}{type(error).__name__}: {message}", str(path), line)
