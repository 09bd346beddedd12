"""Which layers of a network are worked through: all of a small one, what matters of a deep one.

Of a deep network those are the first layers (to the end of their residual block) and the last, and
the layers of the trunk between them where the gradient changes most on its way back, ranked by
|ln(‖∂L/∂x‖ / ‖∂L/∂y‖)|.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from bpcli.errors import BpcliError
from bpcli.report.trace.document import Divisor, Equation, Section
from bpcli.report.trace.example import Event
from bpcli.spec.suggestions import did_you_mean

MOST_LAYERS = 16  # of a network that is shown whole
ENDS = 3  # layers at either end of a deeper one
CHANGING = 3  # layers between them
_REASON = "the first, the last and those where the gradient changes most"


@dataclass(frozen=True)
class Selection:
    """The layers that are shown, of all; ``changing``: those chosen for that, the most first;
    ``reason``: what they have in common."""

    layers: tuple[str, ...]
    shown: frozenset[str]
    changing: tuple[str, ...] = ()
    reason: str = ""

    @property
    def left_out(self) -> tuple[str, ...]:
        return tuple(path for path in self.layers if path not in self.shown)

    def runs(self, names: Iterable[str]) -> Iterator[tuple[bool, list[str]]]:
        """The layers or parameters in their order, cut wherever being shown begins or ends."""
        for shown, run in groupby(names, lambda name: self.layer(name) in self.shown):
            yield shown, list(run)

    def layer(self, name: str) -> str:
        """The layer that a parameter belongs to; a layer is its own."""
        while name not in self.layers and "." in name:
            name = name.rpartition(".")[0]
        return name

    def gap(self, names: Sequence[str], *equations: Equation) -> Section:
        """One line for a run of layers, or of their parameters."""
        layers = list(dict.fromkeys(map(self.layer, names)))
        ends = layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
        title = f"{len(layers):,} layer{'s' * (len(layers) > 1)}, {ends}"
        return Section("...", title, equations, skipped=len(layers))


def select(
    events: Mapping[str, Event],
    asked: Collection[str] = (),
    units: Collection[str] = (),
    *,
    complete: bool = False,
) -> Selection:
    """The layers ``asked`` for and those inside them, else all of a small or a ``complete``
    network, else what matters; with all that have ``units`` to show. Raises BpcliError on a layer
    that there is not."""
    layers = tuple(events)
    for name in (*asked, *units):
        if name not in events:
            raise BpcliError(f"no layer is called {name!r}{_known(name, layers)}")
    if asked:
        inside = (path for path in layers if any(path.startswith(f"{name}.") for name in asked))
        return Selection(layers, frozenset((*asked, *inside, *units)))
    if complete or len(layers) <= MOST_LAYERS:
        return Selection(layers, frozenset(layers))
    block = layers[ENDS - 1].partition(".")[0]
    first = [n for n, path in enumerate(layers) if n < ENDS or path.partition(".")[0] == block]
    ends = (*layers[: len(first)], *layers[-ENDS:])
    trunk = (path for path in layers if "." not in path and path not in ends)
    between = sorted(trunk, key=lambda path: -_change(events[path]))
    changing = tuple(path for path in between[:CHANGING] if _change(events[path]) > 0)
    return Selection(layers, frozenset((*ends, *changing, *units)), changing, _REASON)


def _known(name: str, layers: Sequence[str]) -> str:
    """What to say of a name that there is not."""
    if len(layers) <= MOST_LAYERS:
        return f"; the layers are {', '.join(layers)}"
    return did_you_mean(name, layers) or f"; the layers are {layers[0]}, ... {layers[-1]}"


def _norms(event: Event) -> tuple[float, float] | None:
    """‖∂L/∂x‖ and ‖∂L/∂y‖, where there are both and something arrives."""
    if event.arrives is None or event.leaves is None:
        return None
    leaves, arrives = (float(np.linalg.norm(each)) for each in (event.leaves, event.arrives))
    return (leaves, arrives) if math.isfinite(arrives) and arrives > 0 else None


def _change(event: Event) -> float:
    norms = _norms(event)
    if norms is None:
        return 0.0
    return abs(math.log(norms[0] / norms[1])) if norms[0] > 0 else math.inf


def change_section(selection: Selection, events: Mapping[str, Event]) -> Iterator[Section]:
    """What the layers that were chosen for it make of the gradient's norm."""
    equations = []
    for path in selection.changing:
        norms = _norms(events[path])
        if norms is not None:
            equations.append(_ratio(path, *norms))
    if equations:
        title = "gradient that leaves / gradient that arrives, where it changes most"
        yield Section("norms", title, tuple(equations))


def passage(events: Sequence[Event]) -> list[Equation]:
    """What a run of layers, from the last to the first, makes of the gradient's norm; where it
    cuts a residual block in two, those of the trunk do."""
    depths = [event.node.layer.path.count(".") for event in events]
    trunk = [event for event, depth in zip(events, depths, strict=True) if depth == min(depths)]
    arrives, leaves = _norms(trunk[0]), _norms(trunk[-1])
    if arrives is None or leaves is None:
        return []
    return [_ratio("‖gradient that leaves‖ / ‖that arrives‖", leaves[0], arrives[1])]


def _ratio(left: str, leaves: float, arrives: float) -> Equation:
    return Equation(left, leaves / arrives, ((leaves,),), divisor=Divisor(arrives))
