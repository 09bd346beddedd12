"""Small files and the specs that read them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

from bpcli.data import Dataset, load_data
from bpcli.data.sources import Examples, open_source
from bpcli.spec import parse_spec
from bpcli.spec.data import SourceOptions
from bpcli.spec.model import Spec


def spec_of(folder: Path, data: str, *, loss: str = "cross_entropy", network: str = "") -> Spec:
    """``data`` is the inside of `data: {...}`."""
    text = f"data: {{{data}}}\nnetwork: {network or '[{dense: 3}]'}\nloss: {loss}\n"
    return parse_spec(text, folder=folder, file="spec.yaml")


def load(folder: Path, data: str, **options: Any) -> Dataset:
    return load_data(spec_of(folder, data, **options))


def write(path: Path, text: str) -> Path:
    """Writes exactly these characters, packed if the name says so."""
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read_table(path: Path, **options: Any) -> Examples:
    return open_source(SourceOptions(path=path.name, **options), path.parent).read()


def numbers(examples: Examples) -> np.ndarray:
    """A table's columns of numbers side by side."""
    return np.stack([column.values for column in examples.inputs], axis=1)


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 0x08, array.ndim]) + shape + array.astype(np.uint8).tobytes()
