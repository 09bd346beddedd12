"""Records how gradients flow while a network trains: one line of `gradients.jsonl` a step.

The recorder looks on only at the steps it wants; at all others the network runs unobserved.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from bpcli.diagnosis.histogram import histogram
from bpcli.diagnosis.kinds import MULTIPLYING, can_die, saturation_bounds
from bpcli.diagnosis.sampling import ParameterSample
from bpcli.diagnosis.statistics import (
    Array,
    count_non_finite,
    joint_norm,
    mean,
    norm,
    root_mean_square,
    share_beyond,
    unit_maximum,
)
from bpcli.network import Network, Node
from bpcli.network.cost import multiply_adds

FIRST_STEPS = 10  # recorded one by one: what goes wrong often does so at once
LINES = 500  # about as many lines a run, however long it is
SHARE_OF_STEP = 0.05  # of a step's time that recording may take on average
# measured on one core: a recorded layer, an unrecorded one, a multiply-add of all three passes
_SECONDS_A_RECORD, _SECONDS_A_LAYER, _SECONDS_A_MULTIPLICATION = 5e-5, 1.5e-5, 2.5e-11
_WINDOW = 512  # examples that a unit must have been silent on to count as dead
_ROWS = 64  # of a batch are looked at for shares and means: enough for two digits

Figures = dict[str, Any]


class Recorder:
    """Per layer with parameters or residual block, and per recorded step:

    - ``delta_norm`` ‖∂L/∂y‖ over the batch, y the layer's output, L the mean loss
    - ``gradient_norm`` ‖∂L/∂θ‖ over its parameters θ, before clipping
    - ``weight_norm`` ‖θ‖ before the update, ``update_ratio`` ‖Δθ‖ / ‖θ‖
    - ``activation_rms``, ``activation_mean`` of y
    - ``gradient_noise`` √(tr Σ) / ‖E g‖ over the recorded batches so far, the latest weighing most
    - ``saturated`` the share of the values of the activation after it (tanh, sigmoid) that lie in
      the outer 2.5% of its range, ``dead_units`` the share of the units of a ReLU after it that
      were 0 on all of the last 512 examples or more
    - ``time_norms`` ‖∂L/∂hₜ‖ for each step t of a recurrent layer
    - ``non_finite`` how many values of y or of its gradient are not finite, where any are
    - ``histograms`` of y, of the parameters and of their gradients, only in the first record from
      each power of four on

    The steps are 1 to 10 and then at equal distances, which depend on nothing but the length of
    the run and the size of the network, so that recording takes about a twentieth of the time.
    Of the steps between, ``extremes`` keeps the largest and smallest loss and gradient norm.
    """

    def __init__(
        self, total_steps: int, *, interval: int = 1, steps: Collection[int] | None = None
    ) -> None:
        self.interval = max(interval, total_steps // LINES, 1)
        self.steps = steps
        self.network: Network | None = None
        self.extremes = Extremes()

    def wants(self, step: int) -> bool:
        if self.steps is not None:
            return step in self.steps
        return step <= FIRST_STEPS or step % self.interval == 0

    def passed(self, loss: float, gradient_norm: float) -> None:
        """A step that is not recorded."""
        self.extremes.add(loss, gradient_norm)

    def samples(self, step: int) -> bool:
        """Whether its record has histograms: 1, 4, the first from 16 on, from 64 on, ..."""
        before = step - 1 if step <= FIRST_STEPS else max(FIRST_STEPS, step - self.interval)
        return self.steps is None and _power_of_4(before) < _power_of_4(step)

    def begin(self, network: Network, step: int) -> None:
        """Before the step's forward pass."""
        if self.network is not network:
            self._attach(network)
        self.sampling = self.samples(step)
        self.figures: dict[str, Figures] = {path: {} for path in self.parameters}
        self.sample.before_update(network.parameters)
        network.observe(self)

    def _attach(self, network: Network) -> None:
        self.network = network
        self.parameters = recorded_layers(network)
        self.owners = _owners(network, self.parameters)
        self.sample = ParameterSample(network.parameters.layout, self.parameters)
        self.activity: dict[str, Activity] = {}

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        path = node.layer.path
        if path in self.figures:
            figures = self.figures[path]
            figures["activation_rms"] = root_mean_square(outputs)
            figures["activation_mean"] = mean(outputs[:_ROWS])
            self._spread(path, "outputs", outputs)
            if not math.isfinite(figures["activation_rms"]):
                self._count(path, outputs)
        owner = self.owners.get(path)
        if owner is not None:
            self._look_at_activation(node, owner, outputs)

    def _look_at_activation(self, node: Node, owner: str, outputs: Array) -> None:
        bounds = saturation_bounds(node)
        if bounds is not None:
            self.figures[owner]["saturated"] = share_beyond(outputs[:_ROWS], *bounds)
        if can_die(node):
            activity = self.activity.setdefault(node.layer.path, Activity())
            self.figures[owner]["dead_units"] = activity.dead_share(outputs)

    def _count(self, path: str, values: Array) -> None:
        figures = self.figures[path]
        figures["non_finite"] = figures.get("non_finite", 0) + count_non_finite(values)

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        path = node.layer.path
        if path not in self.figures:
            return
        figures = self.figures[path]
        figures["delta_norm"] = norm(output_gradient)
        if not math.isfinite(figures["delta_norm"]):
            self._count(path, output_gradient)
        hidden = getattr(node.layer, "hidden_gradients", None)
        if hidden is not None:
            figures["time_norms"] = [norm(step) for step in hidden]

    def gradients_ready(self) -> None:
        """After the backward pass, before clipping."""
        assert self.network is not None
        gradients = self.network.gradients
        for path, names in self.parameters.items():
            self.figures[path]["gradient_norm"] = joint_norm(norm(gradients[n]) for n in names)
        self.sample.gradients_ready(gradients.vector)
        if self.sampling:
            for path in self.parameters:
                self._spread(path, "parameters", self.sample.values(path))
                self._spread(path, "gradients", self.sample.of(path, gradients.vector))

    def _spread(self, path: str, name: str, values: Array) -> None:
        """Keeps the histogram of a layer's values, where there is one."""
        found = histogram(values) if self.sampling else None
        if found is not None:
            self.figures[path].setdefault("histograms", {})[name] = found._asdict()

    def end(self, step: int, epoch: int, loss: float) -> dict[str, Any]:
        """After the update: the finished line; the network runs unobserved again."""
        assert self.network is not None
        self.network.observe(None)
        changes = self.sample.after_update(self.network.parameters.vector)
        layers = [
            {"name": path, **figures, **changes[path]} for path, figures in self.figures.items()
        ]
        line = {"step": step, "epoch": epoch, "loss": loss, "layers": layers}
        return line | self.extremes.taken()


def _power_of_4(step: int) -> int:
    """1 for steps 1 to 3, 2 for 4 to 15, 3 for 16 to 63, ...; 0 for 0."""
    return (step.bit_length() + 1) // 2


class Activity:
    """Which units were above 0 on any example of a window of examples, and of the one before."""

    def __init__(self) -> None:
        self.seen = 0
        self.now: Array | None = None
        self.before: Array | None = None

    def dead_share(self, outputs: Array) -> float:
        """The share of units that were never active, this batch included."""
        active = unit_maximum(outputs) > 0
        self.now = active if self.now is None else self.now | active
        self.seen += len(outputs)
        alive = self.now if self.before is None else self.now | self.before
        if self.seen >= _WINDOW:
            self.before, self.now, self.seen = self.now, None, 0
        return 1 - float(np.count_nonzero(alive)) / alive.size


class Extremes:
    """The smallest and largest loss and gradient norm of the steps that nobody recorded."""

    def __init__(self) -> None:
        self.ranges: dict[str, list[float]] = {}

    def add(self, loss: float, gradient_norm: float) -> None:
        for name, value in (("loss", loss), ("gradient_norm", gradient_norm)):
            low, high = self.ranges.get(name, (value, value))
            self.ranges[name] = [min(low, value), max(high, value)]

    def taken(self) -> dict[str, Any]:
        """What was kept since the last line, which begins anew."""
        kept, self.ranges = self.ranges, {}
        return {"extremes": kept} if kept else {}


def recording_interval(network: Network, batch_size: int) -> int:
    """How many steps to a recorded one, so that recording takes about a twentieth of the time.

    From the network's size alone, not from a clock: the same steps are recorded everywhere.
    """
    nodes = network.nodes
    work = 3 * batch_size * sum(map(multiply_adds, nodes))
    step = len(nodes) * _SECONDS_A_LAYER + work * _SECONDS_A_MULTIPLICATION
    recorded = len(weighted_nodes(network)) * _SECONDS_A_RECORD
    return max(1, math.ceil(recorded / (SHARE_OF_STEP * step)))


def recorded_layers(network: Network) -> dict[str, list[str]]:
    """The layers with parameters and the names of these, in forward order; a residual block of
    the trunk is one more, with the parameters of all layers inside."""
    own = {node.layer.path: names for node, names in weighted_nodes(network)}
    blocks = {node.layer.path for node in network.chain.nodes if hasattr(node.layer, "chain")}
    recorded = {}
    for node in network.nodes:
        path = node.layer.path
        names = own.get(path, [])
        if path in blocks:
            names = [name for name in network.parameters if name.startswith(path + ".")]
        if names:
            recorded[path] = names
    return recorded


def weighted_nodes(network: Network) -> list[tuple[Node, list[str]]]:
    """Every layer that has parameters itself, with their full names, in forward order."""
    found = []
    for node in network.nodes:
        prefix = node.layer.path + "."
        own = [
            name
            for name in network.parameters
            if name.startswith(prefix) and "." not in name[len(prefix) :]
        ]
        if own:
            found.append((node, own))
    return found


def _owners(network: Network, weighted: Collection[str]) -> dict[str, str]:
    """For each activation the layer that it belongs to: the last one that multiplies before it.

    A recurrent layer owns the activation inside it.
    """
    owners, last = {}, None
    for node in network.nodes:
        path = node.layer.path
        if node.layer.name in MULTIPLYING and path in weighted:
            last = path
        if last is not None and (saturation_bounds(node) is not None or can_die(node)):
            owners[path] = last
    return owners
