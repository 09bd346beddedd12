"""One BLAS thread for every test process: `pytest -n auto` already uses all cores."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything imports NumPy
