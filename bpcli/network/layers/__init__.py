"""Every layer; importing this makes them known to :func:`bpcli.network.layer.make_layer`."""

from __future__ import annotations

from bpcli.network.layers.dense import Dense
from bpcli.network.layers.residual import Residual

__all__ = ["Dense", "Residual"]
