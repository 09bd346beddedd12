"""What a gradient check found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bpcli.gradcheck.comparison import Verdict
from bpcli.gradcheck.failures import Failure


@dataclass(frozen=True)
class Worst:
    """The element that differs most; no index: of a projection."""

    index: tuple[int, ...]
    analytic: float
    numeric: float

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"index": list(self.index)}


@dataclass(frozen=True)
class TensorResult:
    """The gradient by one parameter, or by the inputs.

    ``blamed``: the layer whose backward is at fault where this gradient is wrong only because of
    what arrives from there.
    """

    name: str
    shape: tuple[int, ...]
    checked: int  # elements compared one by one
    projections: int  # directions in which all elements were compared
    max_relative_error: float
    worst: Worst | None
    verdict: Verdict
    note: str = ""
    hint: str = ""
    blamed: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "shape": list(self.shape),
            "checked": self.checked,
            "projections": self.projections,
            "max_relative_error": self.max_relative_error,
            "worst": None if self.worst is None else self.worst.as_json(),
            "verdict": self.verdict,
            "note": self.note or None,
            "hint": self.hint or None,
            "blamed": self.blamed or None,
        }


@dataclass(frozen=True)
class Fault:
    """Something wrong with one layer's own backward pass, given a right incoming gradient.

    ``gradient`` is what it computes wrongly: "inputs" or a parameter; "" for a broken promise,
    which ``message`` tells.
    """

    layer: str
    gradient: str
    message: str
    max_relative_error: float = 0.0
    worst: Worst | None = None
    ratio: float | None = None  # of gradient and derivative, where it is the same everywhere
    hint: str = ""
    unexplained: float = 1.0
    file: str = ""
    line: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "gradient": self.gradient or None,
            "message": self.message,
            "max_relative_error": self.max_relative_error,
            "worst": None if self.worst is None else self.worst.as_json(),
            "ratio": self.ratio,
            "hint": self.hint or None,
            "unexplained": self.unexplained if self.hint else None,
            "file": self.file or None,
            "line": self.line or None,
        }


@dataclass(frozen=True)
class KinkResult:
    """Outputs of a layer at a kink or a tie, held against the one-sided derivatives."""

    layer: str
    count: int
    first: tuple[int, ...]
    within: bool


@dataclass(frozen=True)
class TrainingPath:
    """The gradients in the precision that trains against those in float64."""

    dtype: str
    max_relative_error: float
    worst: str  # the parameter
    agrees: bool


@dataclass(frozen=True)
class Result:
    """The whole check."""

    verdict: Verdict
    method: str
    seconds: float = 0.0
    max_relative_error: float = 0.0
    parameters: tuple[TensorResult, ...] = ()
    inputs: TensorResult | None = None
    faults: tuple[Fault, ...] = ()
    failure: Failure | None = None
    kinks: tuple[KinkResult, ...] = ()
    training_path: TrainingPath | None = None
    notes: tuple[str, ...] = ()
    batch: int = 0
    every_element: bool = True
    backpropagation_seconds: float = 0.0
    numerical_seconds: float = 0.0
    conditions: tuple[str, ...] = field(default=())

    @property
    def checked(self) -> int:
        return sum(parameter.checked for parameter in self.parameters)

    def as_json(self) -> dict[str, Any]:
        """As ``bpcli gradcheck --format json`` prints it."""
        failure = self.failure
        return {
            "verdict": self.verdict,
            "method": self.method,
            "seconds": self.seconds,
            "max_relative_error": self.max_relative_error,
            "parameters": [parameter.as_json() for parameter in self.parameters],
            "inputs": self.inputs.as_json() if self.inputs is not None else None,
            "faults": [fault.as_json() for fault in self.faults],
            "failure": None if failure is None else vars(failure).copy(),
            "kinks": [vars(kink) | {"first": list(kink.first)} for kink in self.kinks],
            "training_path": None
            if self.training_path is None
            else vars(self.training_path).copy(),
            "conditions": list(self.conditions),
            "notes": list(self.notes),
            "batch": self.batch,
            "every_element": self.every_element,
            "backpropagation_seconds": self.backpropagation_seconds,
            "numerical_seconds": self.numerical_seconds,
        }
