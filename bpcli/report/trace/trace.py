"""The chain rule worked through on one example, number by number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from bpcli.network import Network
from bpcli.network.parameters import Slot
from bpcli.report.trace.backward import Backward
from bpcli.report.trace.document import Trace
from bpcli.report.trace.example import (
    SHOWN_WHOLE,
    Array,
    Event,
    Unit,
    Witness,
    shown_units,
    strongest,
)
from bpcli.report.trace.forward import forward_sections, loss_section
from bpcli.report.trace.local import LocalDerivatives
from bpcli.report.trace.selection import Selection, select
from bpcli.report.trace.through_time import Run, run_of
from bpcli.report.trace.update import followed, moment_sections, update_sections, updates
from bpcli.spec.model import Spec


def trace(
    spec: Spec,
    network: Network,
    inputs: Array,
    targets: Array,
    *,
    example: int = 0,
    examples: int = 1,
    steps: int = 1,
    units: Mapping[str, Sequence[Unit]] | None = None,
    layers: Collection[str] = (),
    complete: bool = False,
) -> Trace:
    """Works one example through: ``inputs`` (1, ...) and ``targets`` (1, ...) in float64.

    The network runs in evaluation mode (no dropout, running statistics) and is changed by
    ``steps`` updates on this example alone. ``units`` names the units to show of a layer, each by
    its place on every axis or by its flat index. Only ``layers`` are shown, with those inside them;
    without any all of a small or a ``complete`` network, of a deep one what matters (see
    :mod:`~bpcli.report.trace.selection`). Raises BpcliError on a layer or unit that there is not.
    """
    witness = Witness()
    network.keep_input_gradient(True)
    network.observe(witness)
    loss, _ = network.loss_and_gradients(inputs, targets, training=False)
    network.observe(None)
    selection = select(witness.events, layers, units or {}, complete=complete)
    shown = shown_units(witness.events, units or {})
    before = network.parameters.vector.copy()
    gradients = network.gradients.vector.copy()
    local = LocalDerivatives(network, before)
    runs = _runs(network, before, witness.events, shown, selection, units or {})
    forward = list(forward_sections(network, before, local, witness.events, shown, selection, runs))
    way_back = Backward(network, before, gradients, local, witness.events, shown, selection, runs)
    backward = list(way_back.sections(targets[0]))
    end = loss_section(network, targets, witness.events)
    kept = _updated(network, gradients, way_back.worked)
    slot, flat = followed(gradients, kept, selection)
    made = updates(spec, network, inputs, targets, steps, slot.start + flat)
    return Trace(
        spec.name,
        example,
        examples,
        len(selection.layers),
        selection.left_out,
        selection.reason,
        tuple(inputs[0].reshape(-1).tolist()),
        tuple(np.atleast_1d(targets[0]).reshape(-1).tolist()),
        loss,
        [*forward, end],
        backward,
        made.first.rate,
        spec.optimizer.name,
        list(update_sections(spec, made.first, kept, selection)),
        list(moment_sections(spec, made, slot, flat)),
        made.after,
    )


def _runs(
    network: Network,
    vector: Array,
    events: Mapping[str, Event],
    shown: Mapping[str, list[int]],
    selection: Selection,
    units: Collection[str],
) -> dict[str, Run]:
    """The recurrent layers among those that are shown, written out."""
    found = {
        path: run_of(network, vector, events[path], shown[path], path in units)
        for path in selection.shown
    }
    return {path: run for path, run in found.items() if run is not None}


def _updated(
    network: Network, gradients: Array, worked: Mapping[str, list[int]]
) -> dict[Slot, list[int]]:
    """Of each array that learns the elements whose gradient was worked out."""
    layout, kept = network.parameters.layout, {}
    for slot in layout.slots.values():
        if slot.start < layout.trainable:
            largest = strongest(np.abs(gradients[slot.start : slot.stop]), SHOWN_WHOLE)
            kept[slot] = sorted(worked.get(slot.name) or largest)
    return kept
