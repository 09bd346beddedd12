"""One BLAS thread for every test process: `pytest -n auto` already uses all cores."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything imports NumPy
# the commands that tests run are compiled once, as users have them, and not at every start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
