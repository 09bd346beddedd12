"""Specs as people write them: blocks and brackets mixed, and comments wherever they may stand."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from bpcli.spec import dump_spec
from bpcli.spec.dump import flow
from bpcli.spec.model import FAMILIES, Spec
from bpcli.spec.nodes import plain
from bpcli.spec.options import main_option
from bpcli.spec.yaml import read_yaml


class Writer:
    """One way to write a plain value; all choices come from ``random``."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.comments = 0
        self.newline = random.choice(["\n", "\n", "\n", "\r\n"])
        self.flat_lists = random.random() < 0.5  # dashes below their key, not indented

    def write(self, value: dict[str, Any]) -> str:
        lines = [*self._above(""), *self._mapping(value, ""), *self._above("")]
        text = self.newline.join(lines)
        return text + (self.newline if self._rarely(0.9) else "")

    def _rarely(self, share: float) -> bool:
        return self.random.random() < share

    def _comment(self) -> str:
        self.comments += 1
        return f"# {self.random.choice(['why', 'a: b', '- x', '[', '#', 'é 😀'])} {self.comments}"

    def _above(self, indent: str) -> list[str]:
        lines = []
        if self._rarely(0.15):
            lines.append(indent + self._comment())
        if self._rarely(0.05):
            lines.append("")
        return lines

    def _behind(self) -> str:
        return "  " + self._comment() if self._rarely(0.2) else ""

    def _mapping(self, value: dict[str, Any], indent: str) -> Iterator[str]:
        for key, item in value.items():
            yield from self._above(indent)
            yield from self._entry(key, item, indent)

    def _entry(self, key: str, item: Any, indent: str) -> Iterator[str]:
        start = f"{indent}{flow(key)}:"
        if item == {} and self._rarely(0.3):
            yield start + self._behind()
        elif not isinstance(item, (dict, list)) or not item or self._rarely(0.4):
            yield from self._flow(start + " ", item, indent + "  ")
        else:
            yield start + self._behind()
            if isinstance(item, dict):
                yield from self._mapping(item, indent + self.random.choice(["  ", "    "]))
            else:
                yield from self._items(item, indent + ("" if self.flat_lists else "  "))

    def _items(self, value: list[Any], indent: str) -> Iterator[str]:
        for item in value:
            yield from self._above(indent)
            dash = f"{indent}-{' ' * self.random.choice([1, 1, 3])}"
            if isinstance(item, dict) and item and self._rarely(0.8):
                lines = list(self._mapping(item, " " * len(dash)))
                first = next(
                    n for n, line in enumerate(lines) if line.strip() and line.strip()[0] != "#"
                )
                yield from (line for line in lines[:first])
                yield dash + lines[first].lstrip(" ")
                yield from lines[first + 1 :]
            else:
                yield from self._flow(dash, item, indent + "    ")

    def _flow(self, start: str, value: Any, indent: str) -> Iterator[str]:
        """In brackets, on one line or one line a part."""
        if not isinstance(value, (dict, list)) or not value or self._rarely(0.7):
            yield start + self._inline(value) + self._behind()
            return
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        yield start + opening + self._behind()
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for number, (key, item) in enumerate(pairs):
            yield from self._above(indent)
            last = number == len(value) - 1
            comma = "" if last and self._rarely(0.6) else ","
            name = f"{flow(key)}: " if isinstance(value, dict) else ""
            close = closing if last and self._rarely(0.3) else ""
            if isinstance(item, (dict, list)) and item and self._rarely(0.3) and not close:
                lines = list(self._flow(indent + name, item, indent + "  "))
                at = lines[-1].find("  #") if lines[-1].rstrip()[-1] not in "]}" else -1
                lines[-1] = lines[-1] if at < 0 else lines[-1][:at]
                yield from lines[:-1]
                yield lines[-1] + comma + self._behind()
            else:
                yield indent + name + self._inline(item) + comma + close + self._behind()
            if close:
                return
        yield indent + closing + self._behind()

    def _inline(self, value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(self._inline_item(item) for item in value)}]"
        if isinstance(value, dict):
            space = self.random.choice(["", "", " "])
            pairs = (f"{flow(key)}: {self._inline(item)}" for key, item in value.items())
            return f"{{{space}{', '.join(pairs)}{space}}}"
        if isinstance(value, str) and value.isalpha() and self._rarely(0.1):
            return f"'{value}'"
        if isinstance(value, float) and self._rarely(0.1):
            return f"{value:.17e}"
        return flow(value)

    def _inline_item(self, item: Any) -> str:
        """Of a list: a single pair may go without its braces."""
        written = self._inline(item)
        if isinstance(item, dict) and len(item) == 1 and self._rarely(0.3):
            return written[1:-1].strip()
        return written


_MAIN = {
    (name, option.key)
    for family in FAMILIES.values()
    for name, model in family.items()
    if (option := main_option(model)) is not None
}


def shortened(value: Any, random: Random) -> Any:
    """Some named things with their main option bare."""
    if isinstance(value, list):
        return [shortened(item, random) for item in value]
    if not isinstance(value, dict):
        return value
    short = {key: shortened(item, random) for key, item in value.items()}
    for name, options in short.items():
        if isinstance(options, dict) and len(options) == 1 and random.random() < 0.6:
            ((key, option),) = options.items()
            if (name, key) in _MAIN and not isinstance(option, dict):
                short[name] = option
    return short


def plain_spec(spec: Spec) -> dict[str, Any]:
    return plain(read_yaml(dump_spec(spec), "f")[0])  # type: ignore[no-any-return]


def layouts(spec: Spec) -> st.SearchStrategy[str]:
    """Texts that say the spec."""
    return st.randoms(use_true_random=False).map(
        lambda random: Writer(random).write(shortened(plain_spec(spec), random))
    )
