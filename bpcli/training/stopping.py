"""Which weights were the best, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bpcli.network import Network
from bpcli.spec.model import EarlyStopping
from bpcli.training.checkpoint import Tree, check_network, network_tree, restore_network
from bpcli.training.metrics import LARGER_IS_BETTER, Figures

Parts = Mapping[str, Figures]  # "train", "validation" -> figures


class Metric:
    """One figure of one part, "validation.loss", and which way it improves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.part, _, self.figure = name.partition(".")
        self.sign = -1.0 if self.figure in LARGER_IS_BETTER else 1.0

    def of(self, figures: Parts) -> float:
        return figures[self.part][self.figure]

    def better(self, value: float, than: float | None, by: float = 0.0) -> bool:
        """Whether the value is finite and improves on the other by more than ``by``."""
        if not math.isfinite(value):
            return False
        return than is None or self.sign * (than - value) > by


class Best:
    """A copy of the weights with the best metric so far; of equal ones the first."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.tree: Tree | None = None

    def offer(self, figures: Parts, network: Network, *, epoch: int, steps: int) -> bool:
        """Keeps the network's weights if they are the best; says whether they are."""
        value = self.metric.of(figures)
        best = self.tree["value"] if self.tree is not None else None
        if not self.metric.better(value, best):
            return False
        kept = network_tree(network)
        kept["parameters"], kept["state"] = kept["parameters"].copy(), kept["state"].copy()
        self.tree = {"network": kept, "epoch": epoch, "steps": steps, "value": value}
        self.tree["metric"] = self.metric.name
        return True

    def summary(self) -> dict[str, Any] | None:
        """Which it was: epoch, step, metric and its value."""
        if self.tree is None:
            return None
        return {
            "epoch": self.tree["epoch"],
            "step": self.tree["steps"],
            "metric": self.tree["metric"],
            "value": self.tree["value"],
        }

    def restore(self, tree: Tree | None, network: Network) -> None:
        """Takes up the ``tree`` of another one; raises CheckpointError on another network's."""
        if tree is not None:
            check_network(network, tree["network"])
        self.tree = tree

    def put_into(self, network: Network) -> None:
        """Gives the network the best weights, if there are any."""
        if self.tree is not None:
            restore_network(network, self.tree["network"])


class Patience:
    """Counts the epochs in which the metric did not improve by more than `min_delta`."""

    def __init__(self, options: EarlyStopping) -> None:
        self.options, self.metric = options, Metric(options.metric)
        self.reference: float | None = None
        self.waited = 0

    @property
    def exhausted(self) -> bool:
        return self.waited >= self.options.patience

    def epoch_ended(self, figures: Parts) -> None:
        value = self.metric.of(figures)
        if self.metric.better(value, self.reference, self.options.min_delta):
            self.reference, self.waited = value, 0
        else:
            self.waited += 1

    def state(self) -> Tree:
        return {"reference": self.reference, "waited": self.waited}

    def restore(self, state: Tree) -> None:
        self.reference, self.waited = state["reference"], state["waited"]
