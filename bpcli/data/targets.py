"""Targets: the loss decides what they are.

| loss                 | targets in the data              | what the network is trained on      |
| -------------------- | -------------------------------- | ----------------------------------- |
| cross_entropy        | one column, words or numbers     | class numbers, int64 (N,)           |
|                      | the next characters of a text    | their codes, int64 (N, positions)   |
| binary_cross_entropy | one column with two classes      | 0 or 1 for the second, (N, 1)       |
|                      | K columns of 0 and 1             | (N, K)                              |
| mse, mae, huber      | numbers                          | the numbers, scaled, (N, K)         |
|                      | words, IDX or generated labels   | one-hot, (N, classes)               |
|                      | the same, two classes, one output| 0 or 1 for the second, (N, 1)       |

Classes are sorted, as numbers if all are numbers. Numbers in a table or an array are classes only
under the cross-entropies; words and labels always are. The last line of the table serves the
classical exclusive or with one output unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpcli.data.scaling import Scaling, fit_scaling, statistics
from bpcli.data.sources import OptionError, Source
from bpcli.data.sources.source import Array, RawTargets, RowsOf, Shape, TargetHeader
from bpcli.errors import DataError
from bpcli.spec.model import Spec

_NOT_COUNTED = 1 << 53  # from here on a float has no place for every whole number
_LEAST = 1e-150  # of numeric targets, and 1 / the largest
FEW = 20  # classes that are never too many
NUMERIC_LOSSES = ("mse", "mae", "huber")
INDEX, ONE_HOT, SWITCH, FLAGS, NUMBERS = "index", "one_hot", "switch", "flags", "numbers"
CHARACTERS = "characters"
ENCODINGS = (INDEX, ONE_HOT, SWITCH, FLAGS, NUMBERS, CHARACTERS)
_KINDS = {
    INDEX: "classes",
    ONE_HOT: "classes",
    SWITCH: "binary",
    FLAGS: "binary",
    CHARACTERS: "characters",
}


class Decoded(NamedTuple):
    """Outputs in the words of the data."""

    columns: tuple[str, ...]  # a class or a target each
    values: Array  # (examples, columns): probabilities, scores, or numbers in original units
    labels: tuple[str, ...] | None  # the predicted class of each example


@dataclass(frozen=True)
class Targets:
    """How targets are prepared and outputs read; fitted on the training part."""

    encoding: str
    loss: str
    names: tuple[str, ...]
    classes: tuple[str, ...] | None
    shape: Shape  # of one example's outputs
    dtype: str
    scaling: Scaling | None
    text: bool  # whether classes are words

    @property
    def kind(self) -> str:
        """ "classes", "characters", "binary" (0/1 for each output) or "numbers"."""
        return _KINDS.get(self.encoding, "numbers")

    @property
    def logits(self) -> bool:
        """Whether outputs are logits of probabilities."""
        return self.loss not in NUMERIC_LOSSES

    def encode(self, raw: RawTargets, source: Source) -> Array:
        """The targets as the loss takes them."""
        if self.encoding == NUMBERS:
            return self._encode_numbers(raw, source)
        if self.encoding == FLAGS:
            _check_flags(raw, source)
            return raw.values.reshape(-1, *self.shape).astype(self.dtype)
        codes = self._class_numbers(raw, source)
        if self.encoding == INDEX:
            return codes
        if self.encoding == SWITCH:
            return codes.reshape(-1, 1).astype(self.dtype)
        assert self.classes is not None
        one_hot = np.zeros((codes.size, len(self.classes)), self.dtype)
        one_hot[np.arange(codes.size), codes.reshape(-1)] = 1
        return one_hot.reshape(*codes.shape, -1)

    def _encode_numbers(self, raw: RawTargets, source: Source) -> Array:
        assert self.scaling is not None
        values = _flat(raw)
        if raw.words is not None or values.shape[1] != self.scaling.offset.size:
            raise DataError(
                f"{source.name}: expected the {self.scaling.offset.size} "
                f"numeric target(s) {', '.join(self.names[:5])} as in training, received "
                f"{'text' if raw.words is not None else values.shape[1]}"
            )
        _check_size(values)
        with np.errstate(over="ignore"):
            prepared = self.scaling.apply(values.astype(np.float64)).astype(self.dtype)
        if not np.isfinite(prepared).all():
            raise OptionError(
                "target_scale",
                f"targets too large for {self.dtype}; scale them"
                + (" or use `dtype: float64`" if self.dtype == "float32" else " by another number"),
            )
        return prepared.reshape(-1, *self.shape)

    def _class_numbers(self, raw: RawTargets, source: Source) -> Array:
        assert self.classes is not None
        names, codes = distinct(raw)
        places = {name: place for place, name in enumerate(self.classes)}
        unseen = [name for name in names if name not in places]
        if unseen:
            row = int(np.argwhere(codes == names.index(unseen[0]))[0][0])
            known = ", ".join(self.classes[:8]) + (", ..." if len(self.classes) > 8 else "")
            raise DataError(
                f"{source.locate(row)}: class {unseen[0]!r} does not occur in the training part; "
                f"its classes are {known}"
            )
        return np.array([places[name] for name in names], np.int64)[codes]

    def decode(self, outputs: Array) -> Decoded:
        """What outputs of the network mean, (examples, ...)."""
        outputs = np.asarray(outputs, np.float64)
        if self.encoding == NUMBERS:
            values = self.unscale(outputs).reshape(len(outputs), -1)
            return Decoded(_numbered(self.names, values.shape[1]), values, None)
        if self.classes is None or self.encoding == FLAGS:
            return Decoded(self.names, _sigmoid(outputs) if self.logits else outputs, None)
        if self.encoding == SWITCH:
            second = (_sigmoid(outputs) if self.logits else outputs).reshape(-1)
            values = np.stack([1 - second, second], axis=1)
            chosen = (second > 0.5).astype(int)
        else:
            values = _softmax(outputs) if self.logits else outputs
            chosen = values.argmax(axis=-1).reshape(-1)
        return Decoded(self.classes, values, tuple(self.classes[n] for n in chosen))

    def unscale(self, values: Array) -> Array:
        """Numeric outputs or targets in the units of the data, in float64."""
        values = np.asarray(values, np.float64)
        if self.scaling is None:
            return values
        return self.scaling.undo(values.reshape(len(values), -1)).reshape(values.shape)


def _numbered(names: tuple[str, ...], columns: int) -> tuple[str, ...]:
    """A name a column, also where one array of several axes holds all targets."""
    if len(names) == columns:
        return names
    return tuple(f"{names[0]}_{number}" for number in range(columns))


def encoding_of(spec: Spec, header: TargetHeader) -> str | None:
    """How targets with this header are encoded; None while only the data can tell."""
    columns = header.shape
    if spec.loss.name == "cross_entropy":
        if columns is not None and len(columns) == 1 and not header.labels:
            raise OptionError(
                "target",
                f"cross_entropy takes one column of classes, received {columns[0]} columns; use "
                "binary_cross_entropy for columns of 0 and 1, mse for numbers",
            )
        return INDEX
    if spec.loss.name == "binary_cross_entropy":
        return FLAGS if columns else SWITCH
    if header.labels is None:
        return None
    if not header.labels:
        return NUMBERS
    if header.classes is None:
        return None
    return SWITCH if len(header.classes) == 2 and single_output(spec) else ONE_HOT


def output_shape_of(spec: Spec, header: TargetHeader) -> Shape | None:
    """The shape of one example's outputs that targets with this header ask for, if it is known."""
    encoding = encoding_of(spec, header)
    if encoding == SWITCH and header.classes and spec.loss.name == "binary_cross_entropy":
        _check_two(header.classes)
    if encoding == SWITCH:
        return (1,)
    if encoding in (INDEX, ONE_HOT):
        return None if header.classes is None else (*(header.shape or ()), len(header.classes))
    return None if encoding is None else (header.shape or (1,))


def single_output(spec: Spec) -> bool:
    """Whether the last layer of the spec that says its number of units has one."""
    units = (layer.units for layer in reversed(spec.network) if hasattr(layer, "units"))
    return next(units, None) == 1


def fit_targets(spec: Spec, raw: RawTargets, rows: Array | None, source: Source) -> Targets:
    """Learns classes and scale from the rows of the training part."""
    header = TargetHeader(raw.values.shape[1:], raw.labels)
    classes, training = None, raw
    if spec.loss.name not in NUMERIC_LOSSES or raw.labels:
        training, source = raw.of(rows), RowsOf(source, rows)
    if raw.labels or (spec.loss.name not in NUMERIC_LOSSES and not _several(spec, raw)):
        classes = raw.classes or sorted_classes(distinct(training)[0])
        header = TargetHeader(raw.values.shape[1:], raw.labels, classes)
    encoding = encoding_of(spec, header)
    assert encoding is not None
    _CHECKS[encoding](spec, training, classes, source)
    if encoding != NUMBERS and spec.data.target_scale != "none":
        raise OptionError(
            "target_scale", "`target_scale` is for numeric targets; here they are classes"
        )
    shape = output_shape_of(spec, header)
    assert shape is not None
    return Targets(
        encoding,
        spec.loss.name,
        raw.names,
        classes,
        shape,
        spec.dtype,
        _fit_scaling(spec.data.target_scale, _flat(raw), rows) if encoding == NUMBERS else None,
        raw.words is not None,
    )


def _several(spec: Spec, raw: RawTargets) -> bool:
    return spec.loss.name == "binary_cross_entropy" and raw.values.ndim > 1


def _fit_scaling(scale: str | float, values: Array, rows: Array | None) -> Scaling:
    if scale == 0:
        raise OptionError("target_scale", "`target_scale: 0` would erase the targets")
    columns = values.shape[1]
    found = None
    if isinstance(scale, str) and scale != "none":
        found = statistics(
            lambda part: values[part if rows is None else rows[part]].astype(float),
            len(values) if rows is None else len(rows),
            columns,
            filled=False,
        )
    return fit_scaling(scale, found, columns)


def distinct(raw: RawTargets) -> tuple[list[str], Array]:
    """(names, codes): the different values as text, and the number of each example's."""
    found, codes = np.unique(np.asarray(raw.values), return_inverse=True)
    codes = codes.reshape(raw.values.shape)
    if raw.words is not None:
        return [raw.words[code] for code in found.tolist()], codes
    return [_number_name(value) for value in found.tolist()], codes


def _number_name(value: float | bool) -> str:
    if isinstance(value, int):
        return str(int(value))  # of any size
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def sorted_classes(names: Sequence[str]) -> tuple[str, ...]:
    """Sorted, as numbers if all are numbers."""
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(sorted(names))


# what the training part must fulfil, by encoding


def _check_classes(
    spec: Spec, raw: RawTargets, classes: Sequence[str] | None, source: Source
) -> None:
    assert classes is not None
    name = raw.names[0] if raw.names else "target"
    if len(classes) < 2:
        raise OptionError(
            "target",
            f"{spec.loss.name} needs two or more classes; {name!r} is {classes[0]!r} in the whole "
            "training part",
        )
    numeric = raw.words is None and np.asarray(raw.values).dtype.kind == "f"
    if numeric and np.abs(raw.values).max() >= _NOT_COUNTED:
        raise OptionError(
            "target",
            f"{spec.loss.name} takes classes; {name!r} has numbers from {_NOT_COUNTED:,} on, "
            "several of which are one as they are read; write them as words",
        )
    fractions = numeric and any(not float(c).is_integer() for c in classes)
    if len(classes) > FEW and (fractions or 2 * len(classes) > raw.values.size):
        cure = "for numbers use `loss: mse`" if raw.words is None else "is it a name, not a class?"
        raise OptionError(
            "target",
            f"{spec.loss.name} takes classes; {name!r} has {len(classes)} different values in "
            f"{len(raw.values)} examples, such as {', '.join(classes[:3])}; {cure}",
        )


def _check_switch(
    spec: Spec, raw: RawTargets, classes: Sequence[str] | None, source: Source
) -> None:
    assert classes is not None
    _check_two(classes)


def _check_two(classes: Sequence[str]) -> None:
    if len(classes) != 2:
        shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
        cure = (
            "use cross_entropy with an output for each, or mse for numbers"
            if len(classes) > 2
            else "there is nothing to tell apart"
        )
        raise OptionError(
            "target",
            f"binary_cross_entropy takes a target with two classes, received {len(classes)} "
            f"({shown}); {cure}",
        )


def _check_flags_of(
    spec: Spec, raw: RawTargets, classes: Sequence[str] | None, source: Source
) -> None:
    _check_flags(raw, source)


def _check_flags(raw: RawTargets, source: Source) -> None:
    values = np.asarray(raw.values)
    wrong = np.argwhere((values != 0) & (values != 1)) if raw.words is None else [(0, 0)]
    if len(wrong):
        row, column = int(wrong[0][0]), int(wrong[0][1])
        name = raw.names[min(column, len(raw.names) - 1)]
        raise DataError(
            f"{source.locate(row, name)}; binary_cross_entropy with several targets takes 0 or 1 "
            "in each; use mse for numbers"
        )


def _check_numbers(
    spec: Spec, raw: RawTargets, classes: Sequence[str] | None, source: Source
) -> None:
    """Numbers are numbers."""


_CHECKS = {
    INDEX: _check_classes,
    ONE_HOT: _check_classes,
    SWITCH: _check_switch,
    FLAGS: _check_flags_of,
    NUMBERS: _check_numbers,
}


def _check_size(values: Array) -> None:
    """Errors are squared in the units of the data, which must neither overflow nor vanish."""
    largest = np.abs(values).max(axis=0, initial=0).astype(np.float64)
    sizes = largest[(largest > 0) & np.isfinite(largest)]
    odd = sizes[(sizes < _LEAST) | (sizes > 1 / _LEAST)]
    if odd.size:
        raise OptionError(
            "target",
            f"targets of {odd[0]:.0e} cannot be measured, as their squares are no numbers; give "
            "them in another unit",
        )


def _flat(raw: RawTargets) -> Array:
    return raw.values.reshape(len(raw.values), -1)


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * np.tanh(0.5 * z) + 0.5)


def _softmax(z: Array) -> Array:
    exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
