"""What an option may hold, as data: the reader, the schema and the docs all come from it.

An option is a dataclass field made by :func:`option`; its *kind* says which plain values
(what YAML gives: None, bool, int, float, str, list) it accepts. Kinds that hold other named
things (``Choice``, ``Layers``, ``Record``) are descended into by the reader, so that every
mistake keeps its own place in the file.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Any

from bpcli.errors import BpcliError

LARGEST_INTEGER = 2**63 - 1  # NumPy counts no further


class Mismatch(ValueError):  # noqa: N818  not an error of ours: the reader turns it into a Problem
    """The value is not of this kind; the message says what was expected."""


class Kind:
    """A set of values; :attr:`expected` names it: 'must be ...'."""

    expected = "anything"

    def accept(self, value: Any) -> Any:
        """The value as the model keeps it, or :class:`Mismatch`; NotImplementedError of what the
        reader takes apart itself, like lists."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """The same set in JSON Schema."""
        raise NotImplementedError

    def refuse(self) -> Mismatch:
        return Mismatch(self.expected)


@dataclass(frozen=True)
class Integer(Kind):
    low: int | None = None

    @property
    def expected(self) -> str:  # type: ignore[override]
        names = {None: "an integer", 0: "an integer of 0 or more", 1: "a positive integer"}
        return names.get(self.low, f"an integer of {self.low} or more")

    def accept(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse()
        if abs(value) > LARGEST_INTEGER:
            raise Mismatch("an integer of fewer than 19 digits")
        if self.low is not None and value < self.low:
            raise self.refuse()
        return value

    def schema(self) -> dict[str, Any]:
        bound = {} if self.low is None else {"minimum": self.low}
        return {"type": "integer", **bound, "maximum": LARGEST_INTEGER}


@dataclass(frozen=True)
class Number(Kind):
    """A finite number, within the excluded bounds above and below and the included low and high."""

    above: float | None = None
    low: float | None = None
    below: float | None = None
    high: float | None = None

    @property
    def expected(self) -> str:  # type: ignore[override]
        bounds = (
            ("above", self.above),
            ("of at least", self.low),
            ("below", self.below),
            ("of at most", self.high),
        )
        said = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        if said == ["above 0"]:
            return "a positive number"
        return " and ".join(["a number " + said[0], *said[1:]]) if said else "a number"

    def accept(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse()
        try:
            number = float(value)
        except OverflowError:
            raise self.refuse() from None
        inside = (
            math.isfinite(number)
            and (self.above is None or number > self.above)
            and (self.low is None or number >= self.low)
            and (self.below is None or number < self.below)
            and (self.high is None or number <= self.high)
        )
        if not inside:
            raise self.refuse()
        return number

    def schema(self) -> dict[str, Any]:
        words = {
            "exclusiveMinimum": self.above,
            "minimum": self.low,
            "exclusiveMaximum": self.below,
            "maximum": self.high,
        }
        return {"type": "number"} | {word: b for word, b in words.items() if b is not None}


@dataclass(frozen=True)
class Boolean(Kind):
    expected = "true or false"

    def accept(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refuse()
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Text(Kind):
    expected = "a text"

    def accept(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.refuse()
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True)
class Name(Kind):
    """A text that can be part of a path."""

    expected = "a name without dots"

    def accept(self, value: Any) -> str:
        if not isinstance(value, str) or not value or "." in value:
            raise self.refuse()
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[^.]+$"}


@dataclass(frozen=True)
class Word(Kind):
    """One of a few fixed words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:  # type: ignore[override]
        return "one of " + ", ".join(self.words)

    def accept(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise self.refuse()
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Items(Kind):
    """A list of one kind, kept as a tuple; ``count`` fixes its length, ``least`` bounds it."""

    kind: Kind
    count: int | None = None
    least: int = 1

    @property
    def expected(self) -> str:  # type: ignore[override]
        many = "a list" if self.count is None else f"a list of {self.count}"
        return f"{many}, each {self.kind.expected}"

    def allows(self, length: int) -> bool:
        return length == self.count if self.count is not None else length >= self.least

    def schema(self) -> dict[str, Any]:
        least = self.least if self.count is None else self.count
        length = {"minItems": least} | ({} if self.count is None else {"maxItems": self.count})
        return {"type": "array", "items": self.kind.schema()} | length


@dataclass(frozen=True)
class Numbers(Kind):
    """A number, or nested lists of numbers that form a full array; kept as nested tuples."""

    expected = "a number or equally long nested lists of numbers"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, list):
            return Number().accept(value)
        items = tuple(self.accept(item) for item in value)
        if not items or len({_shape(item) for item in items}) > 1:
            raise self.refuse()
        return items

    def schema(self) -> dict[str, Any]:
        return {"$ref": "#/$defs/numbers"}


def _shape(nested: Any) -> tuple[int, ...]:
    return (len(nested), *_shape(nested[0])) if isinstance(nested, tuple) else ()


@dataclass(frozen=True)
class Either(Kind):
    """The first of these kinds that takes the value."""

    kinds: tuple[Kind, ...]

    @property
    def expected(self) -> str:  # type: ignore[override]
        return ", or ".join(kind.expected for kind in self.kinds)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [kind.schema() for kind in self.kinds]}


@dataclass(frozen=True)
class Choice(Kind):
    """One named thing of a family with its options: ``relu``, ``dense: 64``, ``{adam: {...}}``.

    ``family`` is a key of :data:`bpcli.spec.model.FAMILIES`.
    """

    family: str

    @property
    def expected(self) -> str:  # type: ignore[override]
        article = "an" if self.family[0] in "aeiou" else "a"
        return f"{article} {self.family}"

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.family}"}


@dataclass(frozen=True)
class Layers(Kind):
    """A list of layers."""

    expected = "a list of layers"

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/layer"}}


@dataclass(frozen=True)
class Record(Kind):
    """A mapping with the options of one dataclass."""

    model: type

    @property
    def expected(self) -> str:  # type: ignore[override]
        return "a mapping with the keys " + ", ".join(o.key for o in options_of(self.model))

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.model.__name__}"}


@dataclass(frozen=True)
class Mapping(Kind):
    """Free keys, values of one kind; kept as a tuple of pairs so that the model stays hashable."""

    kind: Kind

    @property
    def expected(self) -> str:  # type: ignore[override]
        return f"a mapping from names to values, each {self.kind.expected}"

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.kind.schema()}


@dataclass(frozen=True)
class Option:
    """One option of a model class, as the reader, the schema and the docs see it."""

    key: str  # as written in a spec
    field: str  # as kept in the dataclass
    kind: Kind
    default: Any  # MISSING where the option must be given
    doc: str
    keyword: bool  # never the main option

    @property
    def required(self) -> bool:
        return self.default is MISSING


def option(
    kind: Kind, default: Any = MISSING, *, doc: str = "", key: str = "", keyword: bool = False
) -> Any:
    """A dataclass field that holds one option of a spec; without a default it must be given."""
    metadata = {"kind": kind, "doc": doc, "key": key}
    if default is MISSING:
        return dataclasses.field(metadata=metadata, kw_only=keyword)
    return dataclasses.field(default=default, metadata=metadata, kw_only=keyword)


_KIND_OF_ANNOTATION = {
    "int": Integer(),
    "float": Number(),
    "bool": Boolean(),
    "str": Text(),
}


def options_of(model: type) -> tuple[Option, ...]:
    """The options of a model class in the order of its fields, the main one first.

    A field made without :func:`option` (in a user's layer) takes its kind from its annotation.
    Raises BpcliError where the annotation is none that a spec could fill.
    """
    return _options_of(model)


@cache
def _options_of(model: type) -> tuple[Option, ...]:
    given = (field for field in dataclasses.fields(model) if field.init and _is_option(field))
    found = [_option_of(field, model) for field in given]
    return tuple(sorted(found, key=lambda option: option.keyword))


def _is_option(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("option", True))


def _option_of(field: dataclasses.Field[Any], model: type) -> Option:
    annotation = str(getattr(field.type, "__name__", field.type))
    kind = field.metadata.get("kind") or _KIND_OF_ANNOTATION.get(annotation)
    if kind is None:
        raise BpcliError(
            f"{model.__name__}.{field.name}: an option is annotated int, float, bool or str, "
            f"received {annotation}"
        )
    default = field.default
    if field.default_factory is not MISSING:
        default = field.default_factory()
    return Option(
        key=field.metadata.get("key") or field.name,
        field=field.name,
        kind=kind,
        default=default,
        doc=field.metadata.get("doc", ""),
        keyword=bool(field.kw_only),
    )


def main_option(model: type) -> Option | None:
    """The option that a bare value after the name sets: ``dense: 64``."""
    return next((option for option in options_of(model) if not option.keyword), None)
