"""Arrays to write into, made once per shape and used again at every step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_MOST = 64  # batch shapes come and go; a layer needs only a few of them at a time


class Buffers:
    """Gives its subclasses :meth:`buffer`.

    Fresh temporaries of a large batch cost more in page faults than the arithmetic does.
    """

    def buffer(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray[Any, Any]:
        """An array of that shape; its contents live until the next use of the same name."""
        key = (name, shape, dtype)
        try:
            return self._buffers[key]
        except (KeyError, AttributeError):
            return self._new_buffer(key)

    def _new_buffer(self, key: tuple[str, tuple[int, ...], DTypeLike]) -> np.ndarray[Any, Any]:
        if not hasattr(self, "_buffers") or len(self._buffers) >= _MOST:
            self._buffers: dict[Any, np.ndarray[Any, Any]] = {}
        self._buffers[key] = array = np.empty(key[1], key[2])
        return array
