"""Units at a kink and ties in pooling: there is no derivative, but there is one from each side."""

from __future__ import annotations

import numpy as np

from bpcli.gradcheck.analyticity import Kinks
from bpcli.gradcheck.layer_backward import LayerBackward
from bpcli.gradcheck.recording import Event
from bpcli.gradcheck.result import KinkResult
from bpcli.network import Network

_MOST = 16  # of one layer; each takes a backward pass
_MARGIN = 1e-3


def hold_against_sides(network: Network, event: Event, kinks: Kinks) -> KinkResult:
    """Whether the derivative that the layer's backward pass takes lies between the one-sided
    ones, at each kinked output by itself."""
    backward = LayerBackward(network, event)
    within = True
    for index, left, right in list(zip(kinks.indices, kinks.left, kinks.right, strict=True))[
        :_MOST
    ]:
        unit = np.zeros(event.outputs.shape)
        unit[index] = 1
        gradients = backward.gradients(unit)
        value = sum(
            float((gradients[target] * direction).sum())
            for target, direction in kinks.directions.items()
            if target in gradients
        )
        margin = _MARGIN * max(abs(left), abs(right))
        within = within and min(left, right) - margin <= value <= max(left, right) + margin
    return KinkResult(kinks.layer, len(kinks.indices), kinks.indices[0], within)
