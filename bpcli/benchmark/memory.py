"""How much memory this process has taken at most."""

from __future__ import annotations

import sys


def peak_memory() -> int | None:
    """Bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
