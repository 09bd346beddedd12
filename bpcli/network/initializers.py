"""Draws the numbers a parameter starts with."""

from __future__ import annotations

from typing import Any

from numpy.random import Generator

from bpcli.network.layer import Array, Shape


def initialize(init: Any, shape: Shape, random: Generator) -> Array:
    """float64 numbers of that shape; an init is a name, {name: options}, or options of the model."""
    return random.standard_normal(shape) * 0.1
