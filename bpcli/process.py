"""What must be settled before NumPy is imported: which kernels its OpenBLAS uses.

OpenBLAS, as NumPy's wheels carry it, has one set of kernels for AVX-512 ("SkylakeX") and takes
many CPUs that have the instructions, newer ones above all, for a "Haswell" without them; naming
the set then doubles the speed of matrix products. It reads the name once, when it is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, MutableMapping
from typing import NamedTuple

CORE_TYPE = "OPENBLAS_CORETYPE"
SWITCH = "BPCLI_CORETYPE"  # `off` leaves the choice to OpenBLAS
# the instructions that the SkylakeX kernels are compiled for
AVX512 = frozenset({"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"})


class Choice(NamedTuple):
    """A core type for OpenBLAS, or None: its own choice; and why."""

    core_type: str | None
    reason: str


_choice = Choice(None, "not decided: NumPy was imported by another program")


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Makes the choice for this process and those that it starts."""
    global _choice
    _choice = choose_core_type(cpu_flags(), environ)
    if _choice.core_type is not None:
        environ[CORE_TYPE] = _choice.core_type


def choice() -> Choice:
    """What was chosen for this process."""
    return _choice


def choose_core_type(flags: Collection[str], environ: Mapping[str, str]) -> Choice:
    """The core type for a CPU with these flags; nothing where the user has chosen."""
    if environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"):
        return Choice(None, f"{SWITCH} is {environ[SWITCH]}")
    if environ.get(CORE_TYPE):
        return Choice(None, f"{CORE_TYPE} was {environ[CORE_TYPE]} already")
    if not flags:
        return Choice(None, "the flags of the CPU are not known")
    missing = sorted(AVX512.difference(flags))
    if missing:
        return Choice(None, f"the CPU has no {missing[0]}")
    return Choice("SkylakeX", "the CPU has all of " + ", ".join(sorted(AVX512)))


def cpu_flags(path: str = "/proc/cpuinfo") -> frozenset[str]:
    """The instruction sets of an x86 CPU that the system allows; empty where it does not tell."""
    if sys.platform == "win32" or os.uname().machine != "x86_64":
        return frozenset()
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "flags":
                    return frozenset(value.split())
    except OSError:
        pass
    return frozenset()
