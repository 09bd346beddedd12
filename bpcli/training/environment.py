"""What a run's bits depend on besides its spec: versions, processor, BLAS, data."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import bpcli


def describe_environment(spec_text: str, data_digest: str, seeds: dict[str, int]) -> dict[str, Any]:
    """What `environment.json` of a run says. Nothing of the user, the paths or the clock."""
    return {
        "bpcli": bpcli.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "blas": blas(),
        "seeds": seeds,
        "spec_sha256": hashlib.sha256(spec_text.encode()).hexdigest(),
        "data_sha256": data_digest,
    }


def blas() -> dict[str, Any]:
    """The core type that OpenBLAS chose and its threads; both None where it cannot be asked."""
    for path in _openblas_files():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix in (("scipy_openblas", "64_"), ("scipy_openblas", ""), ("openblas", "")):
            core_type = getattr(library, f"{prefix}_get_corename{suffix}", None)
            threads = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            if core_type is not None and threads is not None:
                core_type.restype = ctypes.c_char_p
                return {"core_type": core_type().decode(), "threads": threads()}
    return {"core_type": None, "threads": None}


def _openblas_files() -> Iterator[str]:
    """OpenBLAS as NumPy has loaded it, then as NumPy's wheels ship it."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        maps = ""
    lines = (line for line in maps.splitlines() if "openblas" in line)
    yield from dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines)
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        yield from map(str, sorted(folder.glob("*openblas*")))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine() or sys.platform)


_BITS = {
    "numpy": "the NumPy version",
    "blas.core_type": "the BLAS core type",
    "blas.threads": "the number of BLAS threads",
    "cpu": "the processor",
    "data_sha256": "the data",
    "spec_sha256": "the run's spec.yaml",
    "bpcli": "the bpcli version",
}


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What changed between two environments that can change the bits of a run, one line each."""
    found = []
    for key, name in _BITS.items():
        old, new = _at(before, key), _at(now, key)
        if old != new:
            shown = "" if key.endswith("_sha256") else f" from {old} to {new}"
            found.append(
                f"{name} changed{shown} since the run began; the weights will not be those of an "
                "uninterrupted run to the bit"
            )
    return found


def _at(environment: dict[str, Any], key: str) -> Any:
    value: Any = environment
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
