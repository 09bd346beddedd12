"""Every layer that a spec can name has its backward pass checked."""

from __future__ import annotations

from bpcli.spec.layers import LAYERS

from . import test_convolution_gradients, test_gradients, test_sequence_gradients


def test_every_layer_is_checked() -> None:
    modules = (test_gradients, test_convolution_gradients, test_sequence_gradients)
    cases = [layer for module in modules for layer in module.LAYERS.values()]
    assert {layer.name for layer in cases} | {"repeat"} >= set(LAYERS)
