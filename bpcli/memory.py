"""How much memory this machine has, and how that is said."""

from __future__ import annotations

import math
import os


def physical_memory() -> int:
    """Bytes of memory in this machine, or more than any has where that cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        return 1 << 40


def format_bytes(count: float) -> str:
    """7_600_000_000 as '7.1 GiB'."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(int(math.log(max(count, 1), 1024)), len(units) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {units[power]}"
