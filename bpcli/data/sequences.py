"""Texts and series: rows in time order, of which windows are examples.

A text predicts at each position the next character. A series predicts its next rows from a window
of those before. Parts are held back from the end, in time order: first train, then validation,
then test. Everything is fitted on the rows of the training part; only the vocabulary of a text is
that of its whole file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bpcli.data.codes import code_inputs
from bpcli.data.gaps import input_gaps, target_gaps, usable_rows
from bpcli.data.inputs import fit_inputs
from bpcli.data.preparation import Description, Preparation
from bpcli.data.scaling import Scaling
from bpcli.data.sources import Examples, OptionError
from bpcli.data.sources.source import Array, Header, RawTargets
from bpcli.data.sources.text import Text
from bpcli.data.split import split_in_order
from bpcli.data.targets import CHARACTERS, NUMERIC_LOSSES, Targets, fit_targets
from bpcli.data.windows import WindowPart, Windows
from bpcli.spec.data import DataOptions
from bpcli.spec.model import Spec


def windows_of(data: DataOptions) -> Windows | None:
    """The windows that the options ask for; None where examples stand alone."""
    if data.sequence_length is not None:
        return Windows(data.sequence_length, 1, data.sequence_length, data.sequence_length)
    if data.window is not None:
        return Windows(data.window, data.window, data.horizon or 1, 1)
    return None


def check_loss(spec: Spec) -> None:
    """A text takes cross_entropy, a series a loss of numbers."""
    loss = spec.loss.name
    if spec.data.sequence_length is not None and loss != "cross_entropy":
        raise OptionError(
            "sequence_length", f"the next character is learned with cross_entropy, received {loss}"
        )
    if spec.data.window is not None and loss not in NUMERIC_LOSSES:
        raise OptionError(
            "window",
            f"a series is forecast with a loss of numbers ({', '.join(NUMERIC_LOSSES)}), "
            f"received {loss}",
        )


def describe_sequence(spec: Spec, header: Header) -> Description:
    """What a network on windows must fit."""
    check_loss(spec)
    windows = windows_of(spec.data)
    assert windows is not None
    assert header.targets is not None
    if spec.data.sequence_length is not None:
        characters = header.targets.classes
        assert characters is not None
        assert header.examples is not None
        _check_characters(characters)
        shape, count = (windows.length,), len(windows.starts(0, header.examples))
        output_shape = (windows.asked, len(characters))
        return Description(shape, output_shape, characters, count, len(characters))
    columns = math.prod(header.targets.shape or (1,))
    input_shape = header.input_shape and (windows.length, *header.input_shape)
    return Description(input_shape, (windows.asked * columns,), None, None)


def load_sequence(
    spec: Spec, examples: Examples, preparation: Preparation | None
) -> tuple[Preparation, dict[str, WindowPart]]:
    """The parts of the spec's own sequence, and how it is prepared."""
    check_loss(spec)
    bounds = split_in_order(len(examples), spec.data.split)
    if preparation is None:
        windows = windows_of(spec.data)
        assert windows is not None
        training = np.arange(*bounds["train"])
        if windows.rows(True) > len(training):  # before anything takes memory for a long horizon
            raise _too_short(windows, spec.data.sequence_length is not None, "train", bounds)
        if spec.data.sequence_length is not None:
            preparation = _fit_text(spec, examples, windows)
        else:
            preparation = _fit_series(spec, examples, windows, training)
    rows = _prepared(preparation, examples, spec.data.missing, strict=False)
    parts = {name: _part(preparation, rows, bound) for name, bound in bounds.items()}
    for name, part in parts.items():
        if not len(part):
            assert preparation.windows is not None
            raise _too_short(preparation.windows, preparation.characters is not None, name, bounds)
    return preparation, parts


def read_sequence(preparation: Preparation, examples: Examples, missing: str | None) -> WindowPart:
    """All windows of another sequence; without targets, those too whose future is not known."""
    rows = _prepared(preparation, examples, missing, strict=True)
    part = _part(preparation, rows, (0, len(examples)))
    if not len(part):
        windows = preparation.windows
        assert windows is not None
        needed = windows.rows(rows.targets is not None)
        text = preparation.characters is not None
        raise OptionError(
            "path",
            f"{examples.source.name} has {len(examples):,} {_unit(text)}, an example takes "
            f"{needed:,}{_whole(text)}; give it more",
        )
    return part


def _too_short(
    windows: Windows, text: bool, name: str, bounds: Mapping[str, tuple[int, int]]
) -> OptionError:
    first, end = bounds[name]
    size, unit, whole = f"{end - first:,}", _unit(text), _whole(text)
    option, others = "sequence_length", ""
    if not text:
        option, others = "window", " or `horizon`" if windows.asked > 1 else ""
    message = (
        f"the {name} part has {size} {unit}, an example takes {windows.rows(True):,}{whole}; give "
        f"it more, or make `{option}`{others} shorter"
    )
    return OptionError("horizon" if others and windows.asked > windows.length else option, message)


def _unit(text: bool) -> str:
    return "characters" if text else "rows"


def _whole(text: bool) -> str:
    """A text has no gaps."""
    return "" if text else " without gaps"


# fitting


def _fit_text(spec: Spec, examples: Examples, windows: Windows) -> Preparation:
    assert isinstance(examples.source, Text)
    vocabulary = examples.source.vocabulary
    _check_characters(vocabulary)
    return Preparation(
        code_inputs((windows.length,), len(vocabulary)),
        Targets(
            CHARACTERS,
            spec.loss.name,
            ("character",),
            vocabulary,
            (windows.asked, len(vocabulary)),
            spec.dtype,
            None,
            True,
        ),
        windows,
    )


def _check_characters(characters: Sequence[str]) -> None:
    """As of classes: with a single one the loss is 0 whatever the network does."""
    if len(characters) < 2:
        raise OptionError(
            "path",
            f"a text needs two or more different characters, this one is {characters[0]!r} "
            "throughout; there is nothing to predict",
        )


def _fit_series(spec: Spec, examples: Examples, windows: Windows, rows: Array) -> Preparation:
    assert examples.targets is not None
    if examples.targets.words is not None:
        raise OptionError("target", "the target of a series must hold numbers, it holds text")
    inputs = fit_inputs(
        examples,
        rows,
        scale=spec.data.scale,
        missing=spec.data.missing and "mean",  # windows with gaps may be left out, rows never
        shape=None,
        dtype=spec.dtype,
        filled=spec.data.missing == "mean",
    )
    targets = fit_targets(spec, examples.targets, rows, examples.source)
    return Preparation(
        replace(inputs, shape=(windows.length, *inputs.shape)),
        over_horizon(targets, windows.asked),
        windows,
    )


def over_horizon(targets: Targets, horizon: int) -> Targets:
    """The targets of several rows, row after row, from those of one."""
    assert targets.scaling is not None
    names = targets.names
    if horizon > 1:
        names = tuple(f"{name}+{step}" for step in range(1, horizon + 1) for name in names)
    scaling = Scaling(
        np.tile(targets.scaling.offset, horizon), np.tile(targets.scaling.factor, horizon)
    )
    return replace(targets, names=names, shape=(len(names),), scaling=scaling)


def of_one_row(targets: Targets, horizon: int) -> Targets:
    """What :func:`over_horizon` made the targets from."""
    assert targets.scaling is not None
    count = len(targets.names) // horizon
    names = target_columns(targets, horizon)
    scaling = Scaling(targets.scaling.offset[:count], targets.scaling.factor[:count])
    return replace(targets, names=names, shape=(count,), scaling=scaling)


def target_columns(targets: Targets, horizon: int) -> tuple[str, ...]:
    """The names that the target columns have in the table."""
    names = targets.names[: len(targets.names) // horizon]
    return names if horizon == 1 else tuple(name.rpartition("+")[0] for name in names)


# cutting


@dataclass(frozen=True)
class _Rows:
    """Every row of a sequence, prepared; gaps are rows that no window may read, or ask for."""

    inputs: Array
    targets: Array | None
    input_gaps: Array | None = None
    target_gaps: Array | None = None


def _prepared(
    preparation: Preparation, examples: Examples, missing: str | None, *, strict: bool
) -> _Rows:
    inputs, windows = preparation.inputs, preparation.windows
    assert windows is not None
    if preparation.characters is not None:
        if not isinstance(examples.source, Text) or isinstance(examples.inputs, tuple):
            raise OptionError(
                "path", f"{examples.source.name}: expected a text, as the one that is trained on"
            )
        return _Rows(examples.inputs, examples.inputs)
    if missing is None:
        usable_rows(examples, None)
    targets = None
    if examples.targets is not None:
        raw = _without_gaps(examples.targets)
        targets = of_one_row(preparation.targets, windows.asked).encode(raw, examples.source)
    return _Rows(
        replace(inputs, shape=inputs.source_shape).prepare(examples, strict=strict),
        targets,
        input_gaps(examples) if missing == "drop" else None,
        target_gaps(examples) if missing is not None else None,
    )


def _without_gaps(raw: RawTargets) -> RawTargets:
    """Zeros for gaps: no window with one of them is used."""
    if raw.words is not None:
        return raw
    return replace(raw, values=np.where(np.isfinite(raw.values), raw.values, 0.0))


def _part(preparation: Preparation, rows: _Rows, bound: tuple[int, int]) -> WindowPart:
    """The windows whose targets lie within the bound and that have no gaps."""
    windows = preparation.windows
    assert windows is not None
    starts = windows.starts(*bound, targets=rows.targets is not None)
    if rows.input_gaps is not None:
        starts = starts[~_any(rows.input_gaps, starts, windows.length)]
    if rows.targets is None:
        return WindowPart(rows.inputs, np.empty((0, 0), np.float32), starts, windows, (0,))
    if rows.target_gaps is not None:
        starts = starts[~_any(rows.target_gaps, starts + windows.ahead, windows.asked)]
    shape = (windows.asked,) if rows.targets.ndim == 1 else preparation.targets.shape
    return WindowPart(rows.inputs, rows.targets, starts, windows, shape)


def _any(gaps: Array, starts: Array, length: int) -> Array:
    """Whether there is a gap among the ``length`` rows from each start on."""
    before = np.concatenate([[0], np.cumsum(gaps)])
    return np.asarray(before[starts + length] > before[starts])
