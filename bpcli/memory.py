"""How much memory this machine has, how much this process took, and how that is said."""

from __future__ import annotations

import math
import os
import sys


def physical_memory() -> int:
    """Bytes of memory in this machine, or more than any has where that cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        return 1 << 40


def peak_memory() -> int | None:
    """The most bytes that this process had at once; None where the system does not tell."""
    try:  # Linux gives a process's `ru_maxrss` to the programs that it starts
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line[:6] == "VmHWM:")
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def format_bytes(count: float) -> str:
    """7_600_000_000 as '7.1 GiB'."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(int(math.log(max(count, 1), 1024)), len(units) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {units[power]}"
