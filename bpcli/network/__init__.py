"""The numeric core: layers, their gradients, and the network that joins them.

Arrays in, arrays out: nothing here reads a file, prints, or knows of rules and commands.
"""

from __future__ import annotations

from bpcli.network import layers as layers
from bpcli.network.chain import Chain, LayerError, Node, Observer
from bpcli.network.layer import Layer
from bpcli.network.network import Network
from bpcli.network.parameters import ParameterVector

__all__ = ["Chain", "Layer", "LayerError", "Network", "Node", "Observer", "ParameterVector"]
