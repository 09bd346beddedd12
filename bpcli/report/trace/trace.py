"""The chain rule worked through on one example, number by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bpcli.network import Network
from bpcli.report.trace.backward import backward_sections
from bpcli.report.trace.document import Trace
from bpcli.report.trace.example import Array, Witness, shown_units
from bpcli.report.trace.forward import forward_sections, loss_section
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
    units: Mapping[str, Sequence[int]] | None = None,
) -> Trace:
    """Works one example through: ``inputs`` (1, ...) and ``targets`` (1, ...) in float64.

    The network runs in evaluation mode (no dropout, running statistics) and is changed by
    ``steps`` updates on this example alone. ``units`` names the units to show of a layer. Raises
    BpcliError where it names a layer or unit that there is not.
    """
    witness = Witness()
    network.keep_input_gradient(True)
    network.observe(witness)
    loss, _ = network.loss_and_gradients(inputs, targets, training=False)
    network.observe(None)
    shown = shown_units(witness.events, units or {})
    before = network.parameters.vector.copy()
    gradients = network.gradients.vector.copy()
    end = loss_section(network, targets, witness.events)
    after, rate = updates(spec, network, inputs, targets, steps)
    return Trace(
        spec.name,
        example,
        examples,
        tuple(inputs[0].reshape(-1).tolist()),
        tuple(np.atleast_1d(targets[0]).reshape(-1).tolist()),
        loss,
        [*forward_sections(network, before, witness.events, shown), end],
        list(backward_sections(network, targets[0], before, gradients, witness.events, shown)),
        rate,
        spec.optimizer.name,
        list(update_sections(spec, network, before, gradients, rate, after[0])),
        [point for _, point in after],
    )
