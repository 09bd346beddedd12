"""Arrays to write into, made once per shape and used again at every step."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_MOST = 64  # batch shapes come and go; a layer needs only a few of them at a time
_LINE = 64  # bytes of a line of the cache
_thread = threading.local()


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
        self._buffers[key] = array = _aligned(key[1], np.dtype(key[2]))
        return array


def scratch(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray[Any, Any]:
    """An array that lives until the next scratch is asked for in the same thread: what is needed
    only for a moment stays in the cache, and takes no memory for each layer."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory: np.ndarray[Any, Any] | None = getattr(_thread, "memory", None)
    if memory is None or memory.size < size:
        memory = _thread.memory = _aligned((size,), np.dtype(np.uint8))
    return memory[:size].view(dtype).reshape(shape)


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An empty array that starts where a line of the cache does: OpenBLAS's AVX-512 products of
    small matrices take a third less time than where every vector of 64 bytes lies in two lines."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + size].view(dtype).reshape(shape)
