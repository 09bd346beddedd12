"""A recurrent layer at single time steps: its gates forward, their δ on the way back."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from bpcli.network import Network
from bpcli.network.layers import Gru, Lstm, Rnn
from bpcli.report.trace.cells import Cell, GruCell, LstmCell, added
from bpcli.report.trace.document import Equation, Section
from bpcli.report.trace.example import Array, Event, share

MOST_CELLS = 24  # units × time steps of a layer that is shown whole
_LATE = 2  # steps at the end that are shown of a larger one, besides the first
_CELLS: dict[type, type[Cell]] = {Rnn: Cell, Lstm: LstmCell, Gru: GruCell}
_AGREE = 1e-9


class Run:
    """A cell over an example, and at which steps which of its units are shown."""

    def __init__(self, event: Event, cell: Cell, shown: dict[int, list[int]]) -> None:
        self.event, self.cell, self.shown = event, cell, shown
        self.whole = sum(map(len, shown.values())) == cell.steps * cell.units

    def forward(self) -> Iterator[Section]:
        """A section a step; the formula stands with the first."""
        formula = f": {self.cell.formula}"
        for t, units in self.shown.items():
            equations = [each for j in units for each in self.cell.forward(t, j)]
            yield self._step(t, formula, equations, len(units))
            formula = ""

    def backward(self) -> Iterator[Section]:
        formula = f": {self.cell.way_back}"
        for t, units in reversed(self.shown.items()):
            equations = [each for j in units for each in self.cell.backward(t, j)]
            yield self._step(t, formula, equations, len(units))
            formula = ""

    def _step(self, t: int, formula: str, equations: list[Equation], units: int) -> Section:
        """A section whose left-out equations are those of the other units."""
        left_out = (self.cell.units - units) * (len(equations) // units)
        title = f"t = {t:,}{', the last' * (t + 1 == self.cell.steps)}{formula}"
        return Section(self.event.node.layer.path, title, tuple(equations), left_out)

    def returned(self) -> str:
        """The formula of its output."""
        return "y = hₜ of every step" if self.event.outputs.ndim > 1 else "y = hₜ of the last step"

    def parameters(self) -> str:
        deltas = " ".join(f"δ{gate}" for gate in self.cell.gates)
        formula = f"∂L/∂W = Σₜ xₜ δₜ; ∂L/∂U = Σₜ hₜ₋₁ δₜ; ∂L/∂b = Σₜ δₜ; columns: {deltas}"
        return formula + (", for U and b_U δn r" if isinstance(self.cell, GruCell) else "")

    def by_parameter(
        self, left: str, value: float, name: str, place: tuple[int, ...], *pull: tuple[float, ...]
    ) -> Equation:
        return added(left, value, self.cell.by_parameter(name, place), *pull)

    def by_input(self, left: str, value: float, flat: int) -> Equation:
        t, feature = divmod(flat, self.cell.x.shape[1])
        return added(left, value, self.cell.by_x(t, feature))


def run_of(
    network: Network, vector: Array, event: Event, kept: list[int], asked: bool
) -> Run | None:
    """The layer written out; None where it is none of ours, or gives something else."""
    layer = event.node.layer
    kind = _CELLS.get(type(layer))
    if kind is None or event.states is None or event.arrives is None:
        return None
    slots = network.parameters.layout.slots
    parameters = {
        name: vector[slot.start : slot.stop].reshape(slot.shape)
        for name in ("weight", "recurrent_weight", "bias", "recurrent_bias")
        if (slot := slots.get(f"{layer.path}.{name}")) is not None
    }
    with np.errstate(all="ignore"):
        cell = kind(event.inputs, parameters, getattr(layer, "activation", "tanh"))
        outputs = np.zeros(event.states.shape)
        whole = event.outputs.ndim > 1
        outputs[slice(None) if whole else -1] = event.arrives
        arrives = cell.back(event.states, outputs)
    states = cell.h[1:] if whole else cell.h[-1]
    if not (_alike(states, event.outputs) and _alike(arrives, event.states)):
        return None
    return Run(event, cell, chosen(event, cell, kept, asked=asked))


def _alike(found: Array, given: Array) -> bool:
    size = float(np.abs(given).max(initial=0))
    return bool(np.abs(found - given).max(initial=0) <= _AGREE * size)


def chosen(event: Event, cell: Cell, kept: Collection[int], *, asked: bool) -> dict[int, list[int]]:
    """Step -> units: all of a small layer, else those asked for, else the strongest; where the
    layer returns one state, at the first step and the last ones."""
    steps, units = cell.steps, cell.units
    if steps * units <= MOST_CELLS and not asked:
        return {t: list(range(units)) for t in range(steps)}
    if not asked:
        sizes = share(event)
        kept = [max(kept, key=lambda flat: sizes[flat])]
    elif event.outputs.ndim > 1:
        places = sorted(divmod(flat, units) for flat in kept)
        return {t: [j for s, j in places if s == t] for t, _ in places}
    columns = sorted({flat % units for flat in kept})
    return dict.fromkeys(sorted({0, *range(max(0, steps - _LATE), steps)}), columns)
