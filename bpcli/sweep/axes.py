"""What a sweep varies: paths of a spec and the values that they take.

network.0.dense.units=16,64,256         a list, each value as in a spec
seed=0..9                               integers, both ends included
optimizer.sgd.learning_rate=0.1..1/4    four evenly spaced numbers
optimizer.sgd.learning_rate=1e-4..1e-1/log4    four numbers at equal ratios
a=1,2;b=3,4                             varied together: a=1 with b=3, a=2 with b=4
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from bpcli.errors import BpcliError
from bpcli.spec.nodes import Node, Scalar, plain, shortened
from bpcli.spec.yaml import read_yaml

MOST_VALUES = 1_000_000  # of one axis
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})(?:/(log)?(\d{{1,9}}))?\s*")

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")  # a text that needs no quotes

Point = tuple[str, ...]  # settings, PATH=VALUE


class AxisError(BpcliError):
    """A `--vary` that cannot be read; says what would be."""


@dataclass(frozen=True)
class Axis:
    """Paths that are varied together; ``values[k]`` are the texts that ``paths[k]`` takes."""

    paths: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.values[0])

    def coordinates(self, path: str) -> list[object]:
        """What the path takes, in order, each once, as :func:`coordinates` tells it."""
        texts = self.values[self.paths.index(path)]
        return list(dict.fromkeys(_coordinate(f"{path}={text}")[1] for text in texts))

    def settings(self, index: int) -> Point:
        """The changes of the spec at one place of the axis."""
        pairs = zip(self.paths, self.values, strict=True)
        return tuple(f"{path}={texts[index]}" for path, texts in pairs)


def parse_axis(written: str, option: str = "--vary") -> Axis:
    """An axis from ``PATH=VALUES``, several joined by ``;``. Raises AxisError.

    ``option``, or a file, is where it is said to be written.
    """
    try:
        return _axis(written)
    except AxisError as error:
        raise AxisError(f"{option} {shortened(written)}: {error}") from None


def _axis(written: str) -> Axis:
    paths, values = [], []
    for part in _split(written, ";"):
        path, equals, text = part.partition("=")
        if not equals or not path.strip() or not text.strip():
            raise AxisError(
                "must be PATH=VALUES, like seed=0..9 or network.0.dense.units=16,64,256"
            )
        paths.append(path.strip())
        values.append(_values(text))
    lengths = {path: len(texts) for path, texts in zip(paths, values, strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{path} {length:,}" for path, length in lengths.items())
        raise AxisError(f"paths varied together need as many values ({shown})")
    return Axis(tuple(paths), tuple(values))


def _values(text: str) -> tuple[str, ...]:
    match = _RANGE.fullmatch(text)
    if match:
        return _range(match)
    found = tuple(part.strip() for part in _split(text, ","))
    for part in found:
        _, problems = read_yaml(part, "")
        if not part or problems:
            reason = problems[0].message if problems else "a value is missing"
            raise AxisError(f"{shortened(part or text)!r}: {reason}")
    return found


def _range(match: re.Match[str]) -> tuple[str, ...]:
    first, last, logarithmic, count = match.groups()
    low, high = float(first), float(last)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise AxisError(f"the ends of a range must be finite, received {first}..{last}")
    if count is None:
        if not (low.is_integer() and high.is_integer()):
            raise AxisError(f"a range of fractions needs a count, {first}..{last}/5")
        begin, end = _integer(first), _integer(last)
        if not begin <= end < begin + MOST_VALUES:
            raise AxisError(f"a range runs upwards over at most {MOST_VALUES:,} integers")
        return tuple(map(str, range(begin, end + 1)))
    if not 1 <= int(count) <= MOST_VALUES or not low <= high:
        raise AxisError(f"a range runs upwards and has 1 to {MOST_VALUES:,} values")
    if logarithmic and low <= 0:
        raise AxisError(f"equal ratios need positive ends, received {first}")
    numbers = np.geomspace if logarithmic else np.linspace
    return tuple(f"{value:.10g}" for value in numbers(low, high, int(count)).tolist())


def _integer(text: str) -> int:
    """Exactly, where it is written as an integer; 1e3 is one too."""
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _split(text: str, separator: str) -> list[str]:
    """Splits at the separator outside of brackets, braces and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def axes_of(node: Node, file: str = "") -> list[Axis]:
    """The axes of a sweep file: a list of mappings from paths to lists or ``first..last`` texts.

    Paths in one mapping are varied together. Raises AxisError.
    """
    content = plain(node)
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise AxisError(f"{file}: expected a list of mappings, like `- {{seed: 0..9}}`")
    return [
        parse_axis(
            ";".join(f"{path}={_written(values)}" for path, values in entry.items()),
            f"{file}:",
        )
        for entry in map(partial(_filled, file), content)
    ]


def _filled(file: str, entry: dict[str, object]) -> dict[str, object]:
    """The mapping, if it varies something."""
    empty = next((path for path, values in entry.items() if values in ([], "", None)), None)
    if empty is not None:
        raise AxisError(f"{file}: {empty} has no values; give some, like [1, 2] or 0..9")
    if not entry:
        raise AxisError(f"{file}: an empty mapping varies nothing")
    return entry


def _written(values: object) -> str:
    if isinstance(values, list):
        return ",".join(map(_flow, values))
    return values if isinstance(values, str) else _flow(values)


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def grid(axes: Sequence[Axis]) -> Iterator[Point]:
    """Every combination, the last axis fastest."""
    for indices in itertools.product(*(range(len(axis)) for axis in axes)):
        yield _point(axes, indices)


def sample(axes: Sequence[Axis], count: int, seed: int) -> Iterator[Point]:
    """``count`` different combinations at random, or all of them where there are no more."""
    total = size(axes)
    random = np.random.default_rng(seed)
    lengths = [len(axis) for axis in axes]
    if count >= total:
        yield from grid(axes)
    elif total <= 4 * count:  # drawing until they differ would take long
        for number in random.permutation(total)[:count].tolist():
            yield _point(axes, [int(i) for i in np.unravel_index(number, lengths)])
    else:
        seen: set[tuple[int, ...]] = set()
        while len(seen) < count:
            place = tuple(random.integers(lengths).tolist())
            if place not in seen:
                seen.add(place)
                yield _point(axes, place)


def size(axes: Sequence[Axis]) -> int:
    """How many combinations there are."""
    return math.prod(len(axis) for axis in axes)


def _point(axes: Sequence[Axis], indices: Sequence[int]) -> Point:
    settings = (axis.settings(index) for axis, index in zip(axes, indices, strict=True))
    return tuple(itertools.chain.from_iterable(settings))


def coordinates(point: Point) -> dict[str, object]:
    """{path: value} of a point, values as the plain things that YAML makes of them."""
    return dict(map(_coordinate, point))


@lru_cache(maxsize=10_000)
def _coordinate(setting: str) -> tuple[str, object]:
    path, _, text = setting.partition("=")
    node, _ = read_yaml(text, "")
    return path, node.value if isinstance(node, Scalar) else text
