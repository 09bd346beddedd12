"""From `data:` of a spec to the parts that are trained on and held back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bpcli.data.codes import fit_codes, takes_codes
from bpcli.data.files import add_to_digest
from bpcli.data.gaps import usable_rows
from bpcli.data.inputs import fit_inputs, reshaped
from bpcli.data.part import MappedPart, Part
from bpcli.data.preparation import Description, Preparation
from bpcli.data.sequences import (
    describe_sequence,
    load_sequence,
    read_sequence,
    target_columns,
    windows_of,
)
from bpcli.data.sources import (
    TABLES,
    Examples,
    Header,
    OptionError,
    Source,
    inherit,
    kind_of_file,
    open_source,
)
from bpcli.data.sources.source import Array, RowsOf
from bpcli.data.split import split_rows
from bpcli.data.targets import NUMBERS, distinct, fit_targets, output_shape_of, single_output
from bpcli.errors import Problem, SpecError
from bpcli.spec.data import SourceOptions
from bpcli.spec.model import Spec

HELD_BACK = ("validation", "test")
Rows = Array | None  # indices of examples, None: all


@dataclass(frozen=True)
class Dataset:
    """The parts of the data, prepared; ``digest`` is the sha256 of all that they come from."""

    train: Part
    validation: Part | None
    test: Part | None
    preparation: Preparation
    digest: str

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that there are, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def examples(self) -> int:
        """How many examples there are in all parts."""
        return sum(map(len, self.parts.values()))


def describe(spec: Spec) -> Description:
    """What the data ask of a network, as far as their headers tell.

    Raises SpecError where an option does not fit the data, DataError where the data are at fault.
    """
    with _at_the_spec(spec):
        header = _source(spec).header()
        description = _describe(spec, header)
    for part in HELD_BACK:
        _other_source(spec, part)
    return description


def _describe(spec: Spec, header: Header) -> Description:
    if windows_of(spec.data) is not None:
        return describe_sequence(spec, header)
    shape = header.input_shape
    if spec.data.shape is not None:
        shape = spec.data.shape if shape is None else reshaped(shape, spec.data.shape)
    classes, output_shape = None, None
    if header.targets is not None:
        output_shape = output_shape_of(spec, header.targets)
        classes = None if output_shape == (1,) else header.targets.classes
    return Description(shape, output_shape, classes, header.examples)


def decides_reading(spec: Spec) -> tuple[object, ...]:
    """What decides, beside the data section, how data are read; all of it can be hashed."""
    return spec.loss, spec.dtype, takes_codes(spec), single_output(spec)


def files_of(spec: Spec) -> tuple[Path, ...]:
    """All files that the spec's data come from; raises SpecError and DataError."""
    with _at_the_spec(spec):
        sources = [_source(spec)]
    others = (_other_source(spec, part) for part in HELD_BACK)
    sources += [source for source in others if source is not None]
    return tuple(file for source in sources for file in source.files())


def load_data(spec: Spec, preparation: Preparation | None = None) -> Dataset:
    """The data read, split, and prepared by what the training part says.

    With the ``preparation`` of a run nothing is fitted anew. Raises SpecError where an option
    does not fit the data, DataError where the data are at fault; both say where.
    """
    with _at_the_spec(spec):
        source = _source(spec)
        load = _load_examples if windows_of(spec.data) is None else load_sequence
        preparation, own = load(spec, source.read(), preparation)
        parts: dict[str, Part] = dict(own)
    sources = [source]
    for name in HELD_BACK:
        other = _other_source(spec, name, preparation)
        if other is not None:
            sources.append(other)
            with _at_the_spec(spec, name):
                parts[name] = _read(preparation, other, spec.data.missing)
    return Dataset(
        parts["train"], parts.get("validation"), parts.get("test"), preparation, _digest(sources)
    )


def read_part(spec: Spec, preparation: Preparation, file: Path, *, targets: bool = True) -> Part:
    """Another file, prepared as the run's own data were: a table, an .npz, .npy or IDX images.

    Without ``targets`` the file need not have any, and the part's are empty, (N, 0). Raises
    DataError.
    """
    options = _options_for(spec, file, targets=targets)
    source = _open_like(options, Path(), preparation, SourceOptions(), targets=targets)
    return _read(preparation, source, spec.data.missing, targets=targets)


# sources


def _source(spec: Spec) -> Source:
    return open_source(
        spec.data, spec.source.folder, seed=spec.data.seed, series=spec.data.window is not None
    )


def _other_source(spec: Spec, part: str, preparation: Preparation | None = None) -> Source | None:
    """The source that `validation:` or `test:` names, if it does."""
    own: SourceOptions | None = getattr(spec.data, part)
    if own is None:
        return None
    with _at_the_spec(spec, part):
        options = inherit(own, spec.data)
        stream = 1 + HELD_BACK.index(part)
        folder, seed = spec.source.folder, spec.data.seed
        if preparation is None:
            series = spec.data.window is not None
            return open_source(options, folder, seed=seed, stream=stream, series=series)
        return _open_like(options, folder, preparation, own, seed=seed, stream=stream)


def _open_like(
    options: SourceOptions,
    folder: Path,
    preparation: Preparation,
    own: SourceOptions,
    *,
    targets: bool = True,
    **generation: int,
) -> Source:
    """A source of the columns, or characters, that the preparation knows.

    ``own`` are the options that were given for this source alone: it may name columns otherwise.
    """
    features, windows = preparation.inputs.features, preparation.windows
    names = preparation.targets.names
    if windows is not None and preparation.characters is None:
        names = target_columns(preparation.targets, windows.asked)
    if kind_of_file(options.path or "") in TABLES and features is not None:
        options = replace(
            options,
            features=own.features or tuple(feature.name for feature in features),
            target=(own.target if own.target is not None else names) if targets else None,
        )
    return open_source(
        options,
        folder,
        targets=targets,
        series=windows is not None,
        vocabulary=preparation.characters,
        **generation,
    )


def _options_for(spec: Spec, file: Path, *, targets: bool) -> SourceOptions:
    """A file named on the command line, taken as the spec takes its own."""
    suffix = kind_of_file(file)
    if not targets and suffix == ".npy":
        return SourceOptions(inputs=str(file))
    if not targets and spec.data.images is not None and suffix not in (*TABLES, ".npz"):
        return SourceOptions(images=str(file))
    return inherit(SourceOptions(path=str(file)), spec.data)


def _digest(sources: list[Source]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.identity().encode())
        for file in source.files():
            add_to_digest(digest, file)
    return digest.hexdigest()


# parts


def _load_examples(
    spec: Spec, examples: Examples, preparation: Preparation | None
) -> tuple[Preparation, dict[str, Part]]:
    """The parts of the spec's own examples, and how they are prepared."""
    rows = _split(spec, examples, usable_rows(examples, spec.data.missing))
    if preparation is None:
        preparation = _fit(spec, examples, rows["train"])
    return preparation, {
        name: _part(preparation, examples, part_rows, strict=False)
        for name, part_rows in rows.items()
    }


def _split(spec: Spec, examples: Examples, rows: Rows) -> dict[str, Rows]:
    """The rows of each part that the source itself holds."""
    split = spec.data.split
    if not (split.validation or split.test):
        return {"train": rows}
    usable = np.arange(len(examples)) if rows is None else rows
    classes = _class_numbers(spec, examples)
    return dict(
        split_rows(usable, split, spec.data.seed, None if classes is None else classes[usable])
    )


def _class_numbers(spec: Spec, examples: Examples) -> Array | None:
    """(examples,) what to stratify by, None where targets are numbers."""
    raw = examples.targets
    assert raw is not None
    numeric = spec.loss.name in ("mse", "mae", "huber") and not raw.labels
    return None if numeric or raw.values.ndim > 1 else distinct(raw)[1]


def _fit(spec: Spec, examples: Examples, rows: Rows) -> Preparation:
    assert examples.targets is not None
    targets = fit_targets(spec, examples.targets, rows, examples.source)
    inputs = None
    if takes_codes(spec):
        inputs = fit_codes(examples, scale=spec.data.scale, shape=spec.data.shape)
    if inputs is None:
        inputs = fit_inputs(
            examples,
            rows,
            scale=spec.data.scale,
            missing=spec.data.missing,
            shape=spec.data.shape,
            dtype=spec.dtype,
        )
    return Preparation(inputs, targets)


def _read(
    preparation: Preparation, source: Source, missing: str | None, *, targets: bool = True
) -> Part:
    """All of a source that is not the training part's own."""
    examples = source.read(targets=targets, text=_text_columns(preparation))
    if preparation.windows is not None:
        return read_sequence(preparation, examples, missing)
    return _part(preparation, examples, usable_rows(examples, missing), strict=True)


def _text_columns(preparation: Preparation) -> dict[str, bool]:
    features, targets = preparation.inputs.features or (), preparation.targets
    text = {feature.name: feature.words is not None for feature in features}
    return text | dict.fromkeys(targets.names, targets.text)


def _part(preparation: Preparation, examples: Examples, rows: Rows, *, strict: bool) -> Part:
    """``strict``: a word that the training part does not have is an error."""
    if examples.mapped:
        return _mapped_part(preparation, examples, rows)
    inputs = preparation.inputs.prepare(examples, rows, strict=strict)
    raw = examples.targets
    if raw is None:
        return Part(inputs, np.empty((len(inputs), 0), np.float32))
    return Part(inputs, preparation.targets.encode(raw.of(rows), RowsOf(examples.source, rows)))


def _mapped_part(preparation: Preparation, examples: Examples, rows: Rows) -> Part:
    """Class numbers are kept in memory, everything else is prepared batch by batch."""
    inputs, targets, raw = preparation.inputs, preparation.targets, examples.targets
    matrix = inputs.matrix(examples)
    if raw is None:
        values, prepare = np.empty((len(matrix), 0), np.float32), _as_is
    elif targets.encoding == NUMBERS:
        values = raw.values

        def prepare(block: Array) -> Array:
            return targets.encode(replace(raw, values=block), examples.source)

    else:
        values, prepare = targets.encode(raw, examples.source), _as_is
    return MappedPart(
        matrix,
        values,
        rows,
        prepare_inputs=inputs.prepare_block,
        prepare_targets=prepare,
        place=examples.source.name,
    )


def _as_is(block: Array) -> Array:
    return block


# places


@contextmanager
def _at_the_spec(spec: Spec, part: str = "") -> Iterator[None]:
    """Puts what is wrong with an option at its line."""
    try:
        yield
    except OptionError as error:
        own: Any = getattr(spec.data, part) if part else None
        path = f"data.{error.option}"
        if own is not None and getattr(own, error.option, None) is not None:
            path = f"data.{part}.{error.option}"
        place = spec.source.place(path)
        message, advice, meant = str(error).partition("; did you mean")
        problem = Problem(
            f"{message}, at {path}{advice}{meant}", spec.source.file, place.line, place.column
        )
        raise SpecError([problem]) from None
