"""A debugger for backpropagation: train small networks, prove their gradients, see them flow.

Names are imported when they are first used, so that ``import bpcli`` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpcli.build import build_network as build_network
    from bpcli.network import Layer as Layer
    from bpcli.network import Network as Network
    from bpcli.spec import load_spec as load_spec
    from bpcli.spec.model import Spec as Spec

__version__ = "0.1.0"

_HOMES = {
    "Layer": "bpcli.network",
    "Network": "bpcli.network",
    "build_network": "bpcli.build",
    "Spec": "bpcli.spec.model",
    "load_spec": "bpcli.spec",
}
__all__ = ["Layer", "Network", "Spec", "__version__", "build_network", "load_spec"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bpcli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
