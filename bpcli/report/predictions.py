"""Predictions as CSV or JSON, a row or object for each example."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

from bpcli.data import Decoded
from bpcli.training.files import to_json


class Predictions:
    """Decoded outputs as they are written.

    Classes give `prediction` and a column for each class, `probability_NAME`, or `score_NAME`
    where the network was trained on a loss that does not make probabilities of its outputs;
    numbers give a column for each target, in the units of the data.
    """

    def __init__(self, decoded: Decoded, *, probabilities: bool, digits: int) -> None:
        self.decoded, self.digits = decoded, digits
        self.word = "probability" if probabilities else "score"
        self.group = "probabilities" if probabilities else "scores"

    @property
    def classes(self) -> bool:
        """Whether the columns are classes, or flags that each have a probability."""
        return self.decoded.labels is not None

    def csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self.decoded.columns
        if self.classes:
            writer.writerow(["prediction", *(f"{self.word}_{name}" for name in columns)])
        else:
            writer.writerow(columns)
        for label, values in self._rows():
            cells = [self._cell(value) for value in values]
            writer.writerow([label, *cells] if self.classes else cells)
        return text.getvalue()

    def json(self, **about: Any) -> str:
        """One object; ``about`` comes before its `predictions`."""
        predictions = [self._object(label, values) for label, values in self._rows()]
        return to_json({**about, "predictions": predictions}, indent=2) + "\n"

    def _object(self, label: str | None, values: list[float]) -> dict[str, Any]:
        named = dict(zip(self.decoded.columns, map(self._rounded, values), strict=True))
        return {"prediction": label, self.group: named} if self.classes else named

    def _rows(self) -> Iterator[tuple[str | None, list[float]]]:
        labels = self.decoded.labels or (None,) * len(self.decoded.values)
        return zip(labels, self.decoded.values.tolist(), strict=True)

    def _cell(self, value: float) -> str:
        return f"{value:.{self.digits}g}" if math.isfinite(value) else ""

    def _rounded(self, value: float) -> float:
        return float(f"{value:.{self.digits}g}")
