"""The chain rule worked through on one example, number by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bpcli.network import Network
from bpcli.report.trace.backward import Backward
from bpcli.report.trace.document import Trace
from bpcli.report.trace.example import Array, Unit, Witness, shown_units
from bpcli.report.trace.forward import forward_sections, loss_section
from bpcli.report.trace.local import LocalDerivatives
from bpcli.report.trace.update import update_sections, updates
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
) -> Trace:
    """Works one example through: ``inputs`` (1, ...) and ``targets`` (1, ...) in float64.

    The network runs in evaluation mode (no dropout, running statistics) and is changed by
    ``steps`` updates on this example alone. ``units`` names the units to show of a layer, each by
    its place on every axis or by its flat index. Raises BpcliError where it names a layer or unit
    that there is not.
    """
    witness = Witness()
    network.keep_input_gradient(True)
    network.observe(witness)
    loss, _ = network.loss_and_gradients(inputs, targets, training=False)
    network.observe(None)
    shown = shown_units(witness.events, units or {})
    before = network.parameters.vector.copy()
    gradients = network.gradients.vector.copy()
    local = LocalDerivatives(network, before)
    forward = list(forward_sections(network, before, local, witness.events, shown))
    way_back = Backward(network, before, gradients, local, witness.events, shown)
    backward = list(way_back.sections(targets[0]))
    end = loss_section(network, targets, witness.events)
    after, rate = updates(spec, network, inputs, targets, steps)
    return Trace(
        spec.name,
        example,
        examples,
        tuple(inputs[0].reshape(-1).tolist()),
        tuple(np.atleast_1d(targets[0]).reshape(-1).tolist()),
        loss,
        [*forward, end],
        backward,
        rate,
        spec.optimizer.name,
        list(update_sections(spec, network, before, gradients, rate, after[0], way_back.worked)),
        [point for _, point in after],
    )
