"""Names of layers where there is little room."""

from __future__ import annotations

LONGEST = 18  # letters along an axis and in a legend of a picture


def short(name: str, room: int = LONGEST) -> str:
    """The outermost and the innermost part of a nested layer's name, or the end of that."""
    most, parts = min(room, LONGEST), name.split(".")
    if len(name) > most and len(parts) > 2:
        name = f"{parts[0]}…{parts[-1]}"
    return name if len(name) <= most else "…" + name[1 - most :]
