"""The worked example as plain data: equations of numbers, by layer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Divisor:
    """number + plus, or √number + plus."""

    number: float
    root: bool = False
    plus: float = 0.0

    @property
    def value(self) -> float:
        return (math.sqrt(self.number) if self.root else self.number) + self.plus


@dataclass(frozen=True)
class Equation:
    """left = function(sum of the products and of the terms left out) = value."""

    left: str
    value: float
    products: tuple[tuple[float, ...], ...] = ()
    function: str = ""
    left_out: int = 0  # terms
    rest: float = 0.0  # their sum
    divisor: Divisor | None = None  # of the last product

    @property
    def terms(self) -> list[float]:
        """What the products come to, and the rest."""
        found = [*map(math.prod, self.products), self.rest]
        if self.divisor is not None:
            found[-2] /= self.divisor.value
        return found


@dataclass(frozen=True)
class Section:
    """What one layer does, forward or backward."""

    layer: str
    formula: str
    equations: tuple[Equation, ...]
    left_out: int = 0  # equations of the same kind
    skipped: int = 0  # layers that this stands for; of them there is nothing more


@dataclass(frozen=True)
class After:
    """Where an update led."""

    step: int
    loss: float
    outputs: tuple[float, ...]


@dataclass(frozen=True)
class Trace:
    """One example's way forward and back, and what a step makes of it."""

    name: str
    example: int
    examples: int
    layers: int
    left_out: tuple[str, ...]  # layers
    reason: str  # of those that are shown
    inputs: tuple[float, ...]
    targets: tuple[float, ...]
    loss: float
    forward: list[Section]
    backward: list[Section]
    learning_rate: float
    optimizer: str
    update: list[Section] = field(default_factory=list)
    moments: list[Section] = field(default_factory=list)  # one parameter's, over later steps
    after: list[After] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
