"""The commands in the order of their listing: name -> what `bpcli --help` says of it.

Each is the object ``command`` of `bpcli.cli.commands.NAME`, imported only when it is used.
"""

from __future__ import annotations

COMMANDS = {
    "new": "Write a first spec; its data are generated.",
    "trace": "The chain rule worked through on one example, number by number.",
    "show": "Layers, shapes, parameters, cost and memory.",
    "gradcheck": "Prove every gradient, and name the mistake where one is wrong.",
    "train": "Train, watching the gradients of every layer.",
    "diagnose": "How gradients flow, what is wrong, why, and what cures it.",
    "explain": "What a finding or an idea means, why it matters, what to do.",
    "evaluate": "Measure a trained network on data.",
    "predict": "Let a trained network predict.",
    "bench": "Time a training step, split by layer.",
    "schema": "The JSON Schema of specs, for editors.",
    "sweep": "Train or diagnose many variants of a spec, in parallel.",
    "compare": "Runs side by side: their figures, and where their specs differ.",
    "report": "A page to look at: a run's curves, gradients and findings.",
}
