"""Loaded by Dask into each worker that a sweep starts itself."""

from __future__ import annotations

import logging
from typing import Any


def dask_setup(worker: Any) -> None:
    """What matters of a worker is told by the sweep."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
