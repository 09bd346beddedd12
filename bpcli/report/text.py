"""Text for people: numbers with sensible digits, counts with units, names without surprises."""

from __future__ import annotations

import math
import unicodedata


def number(value: float | None, digits: int = 4) -> str:
    """A measured value with this many significant digits; a dash where it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        return f"{value:.{max(0, digits - 1 - exponent)}f}"
    return scientific(value)


def scientific(value: float | None, digits: int = 2) -> str:
    """1.2e-05: for columns of values of many sizes."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{value:.{digits - 1}e}" if value else "0"


def percent(share: float | None) -> str:
    return f"{100 * share:.2f}%" if share is not None and math.isfinite(share) else "–"


def duration(seconds: float) -> str:
    """380 µs, 4.1 ms, 12.3 s, 4 min 05 s, 2 h 03 min."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    if seconds >= 59.95:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def count(value: float) -> str:
    """1,234 as it is, larger ones as 12.3 k, 4.56 M, 7.8 G, 9.1 T."""
    if value < 10_000:
        return f"{value:,.0f}"
    units = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
    unit, size = next((pair for pair in units if value >= 0.9995 * pair[1]), units[-1])
    scaled = value / size
    return f"{scaled:.{0 if scaled >= 99.95 else 1}f} {unit}"


def plural(count: int, one: str, many: str = "") -> str:
    """1 class, 1,234 classes; an s makes the plural unless it is given."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def shape(sizes: tuple[int, ...]) -> str:
    """28×28×1; a single number per example is a scalar."""
    return "×".join(map(str, sizes)) or "scalar"


def printable(text: str) -> str:
    """The text with control characters written out, so that none reaches a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def width(text: str) -> int:
    """The columns that the text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, columns: int, *, at_start: bool = False) -> str:
    """The text cut to that many columns, with … where something is missing: at its end, or at its
    start."""
    if width(text) <= columns:
        return text
    if at_start:
        return shorten(text[::-1], columns)[::-1]
    kept = ""
    for character in text:
        if width(kept + character) > columns - 1:
            break
        kept += character
    return kept + "…" if columns > 0 else ""
