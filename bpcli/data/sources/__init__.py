"""The sources of examples, one kind a file; :func:`open_source` chooses among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bpcli.data.files import existing
from bpcli.data.sources.arrays import NpyPair, Npz
from bpcli.data.sources.generated import Generated
from bpcli.data.sources.idx import Idx
from bpcli.data.sources.source import Examples, Header, OptionError, Source
from bpcli.data.sources.table import Table
from bpcli.data.sources.text import Text
from bpcli.errors import DataError
from bpcli.spec.data import SourceOptions

__all__ = [
    "TABLES",
    "Examples",
    "Header",
    "OptionError",
    "Source",
    "inherit",
    "kind_of_file",
    "open_source",
]

TABLES = (".csv", ".tsv", ".data", ".dat")
FILES = ("path", "inputs", "targets", "images", "labels")
WAYS = "`path`, `inputs` with `targets`, `images` with `labels`, or `generate`"
_INHERITED = ("target", "features", "header", "shape")


def open_source(
    options: SourceOptions,
    folder: Path,
    *,
    seed: int = 0,
    stream: int = 0,
    targets: bool = True,
    series: bool = False,
    vocabulary: tuple[str, ...] | None = None,
) -> Source:
    """The source that the options name, paths relative to the folder.

    ``stream`` keeps the generated data of different parts apart; of a ``series`` the targets may be
    inputs too; ``vocabulary`` is the one that a text must keep to. Raises DataError.
    """
    _check_files(options, folder)
    given = [options.path, options.images, options.generate]
    pair = options.path is None and (options.inputs or options.targets)
    if sum(one is not None for one in given) + bool(pair) != 1:
        raise DataError(f"data come from exactly one source: {WAYS}")
    if options.generate is not None:
        _only_tables(options, "a generator")
        return Generated(options.generate, seed, stream)
    if options.images is not None:
        _only_tables(options, "IDX files")
        return Idx(folder / options.images, _second(options.labels, folder, "labels", targets))
    if options.path is None:
        _only_tables(options, "two .npy files")
        if options.inputs is None:
            raise OptionError("targets", "`targets` needs `inputs`, the .npy file of the inputs")
        second = _second(options.targets, folder, "targets", targets)
        return NpyPair(_npy(folder, options.inputs), second)
    path, kind = folder / options.path, kind_of_file(options.path)
    if kind == ".npz":
        _only_tables(options, "an .npz archive", "target")
        return Npz(path, inputs=options.inputs or "x", targets=options.targets or "y")
    if kind == ".txt":
        _only_tables(options, "a text")
        return Text(path, vocabulary)
    if kind in TABLES:
        columns = {"target": options.target, "features": options.features}
        return Table(path, **columns, header=options.header, series=series, targets=targets)
    advice = "expected a table (.csv, .tsv, .data), a text (.txt), each also with .gz, or an .npz"
    if kind == ".npy":
        advice = "name two .npy files with `inputs:` and `targets:`"
    raise OptionError("path", f"{path}: cannot read {kind or 'such'} files; {advice}")


def kind_of_file(path: str | Path) -> str:
    """The ending that says what is in a file: ".csv" of data.CSV.gz."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")


def _check_files(options: SourceOptions, folder: Path) -> None:
    """Every file that is named must be there; if it is not, its option is wrong."""
    for option in FILES if options.path is None else FILES[:1]:
        name = getattr(options, option)
        if name is not None:
            try:
                existing(folder / name)
            except DataError as error:
                raise OptionError(option, str(error)) from None


def inherit(options: SourceOptions, base: SourceOptions) -> SourceOptions:
    """The options of `validation:` or `test:` with what they leave out taken from `data:`."""
    names: tuple[str, ...] = _INHERITED
    if options.path is not None and base.path is not None:
        names = (*names, "inputs", "targets")  # names of arrays
    values = {name: getattr(base, name) for name in names if getattr(options, name) is None}
    if options.path is None or kind_of_file(options.path) not in TABLES:
        values = {name: v for name, v in values.items() if name in ("shape", "inputs", "targets")}
    return replace(options, **values)


def _only_tables(options: SourceOptions, kind: str, *keys: str) -> None:
    """Options that would be ignored are a mistake."""
    for key in ("target", "features", "header"):
        if getattr(options, key) is not None:
            advice = "; name the array with `targets:`" if key in keys else ""
            raise OptionError(key, f"`{key}` is for tables, not for {kind}{advice}")


def _second(name: str | None, folder: Path, option: str, needed: bool) -> Path | None:
    if name is None and needed:
        first = {"labels": "images", "targets": "inputs"}[option]
        raise OptionError(first, f"`{first}` needs `{option}`, the file of the {option}")
    if name is None:
        return None
    return _npy(folder, name) if option == "targets" else folder / name


def _npy(folder: Path, name: str) -> Path:
    if Path(name).suffix.lower() != ".npy":
        raise DataError(
            f"{folder / name}: expected an .npy file; arrays inside an .npz archive are named "
            "beside its `path:`"
        )
    return folder / name
