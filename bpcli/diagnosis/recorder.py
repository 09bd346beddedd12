"""Records how gradients flow while a network trains: one line of `gradients.jsonl` a step.

The recorder looks on only at the steps it wants; at all others the network runs unobserved.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping
from types import NoneType
from typing import Any

import numpy as np

from bpcli.diagnosis.activity import ActivationShares, sample_mean
from bpcli.diagnosis.extremes import Extremes
from bpcli.diagnosis.histogram import histogram
from bpcli.diagnosis.kinds import MULTIPLYING, can_die, saturation_bounds
from bpcli.diagnosis.layer_norms import UpdateNorms
from bpcli.diagnosis.sampling import ParameterSample
from bpcli.diagnosis.statistics import Array, bare_norm, count_non_finite
from bpcli.network import Network, Node
from bpcli.network.cost import multiply_adds
from bpcli.training.records import Count, problem

FIRST_STEPS = 10  # recorded one by one: what goes wrong often does so at once
LINES = 500  # about as many lines a run, however long it is
SHARE_OF_STEP = 0.05  # of a step's time that recording may take on average
# measured on one core: a recorded layer, an unrecorded one, a multiply-add of all three passes
_SECONDS_A_RECORD, _SECONDS_A_LAYER, _SECONDS_A_MULTIPLICATION = 5e-5, 1.5e-5, 2.5e-11
_RENEWED = 4  # steps, or more, between those that add to figures over several steps
_RECENT = 20  # steps whose losses say where the loss is now

Figures = dict[str, Any]

_FLOAT = (int, float)
_ACTIVITY = {"share": (NoneType, float), "seen": Count, "now": (NoneType, np.ndarray),
             "before": (NoneType, np.ndarray)}  # fmt: skip
_SEEN = {"sizes": [_FLOAT], "next": Count, "renewal": Count, "activations": {str: _ACTIVITY},
         "sample": {"gradient_mean": np.ndarray, "noise": [[_FLOAT]]}}  # fmt: skip
_STATE = {"extremes": {str: [_FLOAT]}, "losses": [_FLOAT], "seen": {str: object}}


class Recorder:
    """Per layer with parameters or residual block, and per recorded step:

    - ``delta_norm`` ‖∂L/∂y‖ over the batch, y the layer's output, L the mean loss
    - ``gradient_norm`` ‖∂L/∂θ‖ over its parameters θ, before clipping
    - ``weight_norm`` ‖θ‖ before the update, ``update_ratio`` ‖Δθ‖ / ‖θ‖, Δθ as the
      optimizer has it, before it is rounded to the precision of θ
    - ``activation_rms``, ``activation_mean`` of y, the latter over some examples of the batch
    - ``gradient_noise`` √(tr Σ) / ‖E g‖ over recorded batches so far, the latest weighing most,
      of at most 1,024 elements of each parameter
    - ``saturated`` the share of the values of the activation after it (tanh, sigmoid) that lie in
      the outer 2.5% of its range (some examples of the batch), ``dead_units`` the share of the
      units of a ReLU after it that were 0 on all of the last 512 examples or more, of 32 in the
      beginning; null before that
    - ``time_norms`` ‖∂L/∂hₜ‖ for each step t of a recurrent layer
    - ``non_finite`` how many values of y or of its gradient are not finite, where any are
    - ``histograms`` of y, of the parameters and of their gradients, only in the first record from
      each power of four on

    The steps are 1 to 10 and then at equal distances, which depend on nothing but the length of
    the run and the size of the network, so that recording takes about a twentieth of the time.
    Noise and dead units are renewed at every fourth step at most. Of the steps between two records,
    ``extremes`` keeps the largest and smallest loss and gradient norm.
    """

    def __init__(
        self, total_steps: int, *, interval: int = 1, steps: Collection[int] | None = None
    ) -> None:
        self.interval = max(interval, total_steps // LINES, 1)
        self.steps = steps
        self.network: Network | None = None
        self.sizes: dict[str, float] = {}  # ‖θ‖ before the step that is ``next``
        self.next = 0
        self.noise: dict[str, float | None] = {}
        self.renewal = 0  # the next step that adds to figures over several steps
        self.extremes = Extremes()
        self.losses: deque[float] = deque(maxlen=_RECENT)  # of the latest steps, recorded or not

    def wants(self, step: int) -> bool:
        if self.steps is not None:
            return step in self.steps
        return step <= FIRST_STEPS or step % self.interval == 0

    def passed(self, loss: float, gradient_norm: float) -> None:
        """A step that is not recorded."""
        self.losses.append(loss)
        self.extremes.add(loss, gradient_norm)

    def samples(self, step: int) -> bool:
        """Whether its record has histograms: 1, 4, the first from 16 on, from 64 on, ..."""
        before = step - 1 if step <= FIRST_STEPS else max(FIRST_STEPS, step - self.interval)
        return self.steps is None and _power_of_4(before) < _power_of_4(step)

    def begin(self, network: Network, step: int) -> None:
        """Before the step's forward pass."""
        self.attach(network)
        self.sampling, self.renewing = self.samples(step), step >= self.renewal
        if self.renewing:
            self.renewal = step + _RENEWED
        self.figures: dict[str, Figures] = {path: {} for path in self.parameters}
        if self.next != step:  # else they are known from the update before
            self.sizes = self.norms.of(network.parameters.vector)
        if self.sampling:
            for path, values in self.sample.of(network.parameters.vector).items():
                self._spread(path, "parameters", values)
        network.observe(self)

    def attach(self, network: Network) -> None:
        """Gets ready for a network, where it is not the one of the step before."""
        if self.network is network:
            return
        self.network = network
        self.parameters = recorded_layers(network)
        self.activations = _activations(network, self.parameters)
        layout = network.parameters.layout
        self.norms = UpdateNorms(layout, self.parameters)
        self.next = self.renewal = 0
        self.sample: ParameterSample = ParameterSample(layout, self.parameters)

    def forward(self, node: Node, inputs: Array, outputs: Array) -> None:
        path = node.layer.path
        figures = self.figures.get(path)
        if figures is not None:
            size = bare_norm(outputs) / math.sqrt(max(outputs.size, 1))
            figures["activation_rms"] = size
            figures["activation_mean"] = sample_mean(outputs)
            if not math.isfinite(size):
                self._count(path, outputs)
            if self.sampling:
                self._spread(path, "outputs", outputs)
        activation = self.activations.get(path)
        if activation is not None:
            activation.look(outputs, self.figures[activation.owner], renew=self.renewing)

    def _count(self, path: str, values: Array) -> None:
        figures = self.figures[path]
        figures["non_finite"] = figures.get("non_finite", 0) + count_non_finite(values)

    def backward(self, node: Node, output_gradient: Array, input_gradient: Array | None) -> None:
        path = node.layer.path
        figures = self.figures.get(path)
        if figures is None:
            return
        figures["delta_norm"] = size = bare_norm(output_gradient)
        if not math.isfinite(size):
            self._count(path, output_gradient)
        hidden = getattr(node.layer, "hidden_gradients", None)
        if hidden is not None:
            figures["time_norms"] = [bare_norm(step) for step in hidden]

    def gradients_ready(self, norms: Mapping[str, float]) -> None:
        """After the backward pass, before clipping; ``norms`` of layers that are known already."""
        assert self.network is not None
        vector = self.network.gradients.vector
        for path, size in self.norms.of(vector, norms).items():
            self.figures[path]["gradient_norm"] = size
        if self.renewing:
            self.sample.add(vector)
            self.noise = self.sample.noise()
        if self.sampling:
            for path, values in self.sample.of(vector).items():
                self._spread(path, "gradients", values)

    def updated(self, start: int, parameters: Array, change: Array) -> None:
        """After a block of the parameters was updated."""
        self.norms.add(start, parameters, change)

    def updated_finite(self) -> bool:
        return self.norms.finite()

    def _spread(self, path: str, name: str, values: Array) -> None:
        """Keeps the histogram of a layer's values, where there is one."""
        found = histogram(values)
        if found is not None:
            self.figures[path].setdefault("histograms", {})[name] = found._asdict()

    def end(self, step: int, epoch: int, loss: float) -> dict[str, Any]:
        """After the update: the finished line; the network runs unobserved again."""
        assert self.network is not None
        self.network.observe(None)
        self.losses.append(loss)
        (after, moved), noise, sizes = self.norms.taken(), self.noise, self.sizes
        layers = [
            {
                "name": path,
                **figures,
                "weight_norm": sizes[path],
                "update_ratio": moved[path] / sizes[path] if sizes[path] else None,
                "gradient_noise": noise[path],
            }
            for path, figures in self.figures.items()
        ]
        layout = self.network.parameters.layout
        if layout.trainable == layout.size:  # no update shows what is frozen
            self.sizes, self.next = after, step + 1
        line = {"step": step, "epoch": epoch, "loss": loss, "layers": layers}
        return line | self.extremes.taken()

    def state(self) -> dict[str, Any]:
        """What later lines depend on, for a checkpoint: a run that is resumed writes those of the
        uninterrupted one."""
        seen: dict[str, Any] = {}
        if self.network is not None:
            seen = {"sizes": list(self.sizes.values()), "next": self.next, "renewal": self.renewal}
            seen["sample"] = self.sample.state()
            seen["activations"] = {
                str(number): each.activity.state()
                for number, each in enumerate(self.activations.values())
            }
        return {"extremes": self.extremes.ranges, "losses": list(self.losses), "seen": seen}

    def restore(self, network: Network, state: Mapping[str, Any]) -> None:
        """Goes on from where :meth:`state` was taken; raises KeyError or ValueError on another
        network's."""
        wrong, seen = problem(state, _STATE), state["seen"]
        if seen and wrong is None:
            wrong = problem(seen, _SEEN, "seen")
        if wrong is not None:
            raise ValueError(wrong)
        extremes = state["extremes"].items()
        self.extremes.ranges = {name: [low, high] for name, (low, high) in extremes}
        self.losses.extend(state["losses"])
        if seen:
            self.attach(network)
            self.sizes = dict(zip(self.parameters, seen["sizes"], strict=True))
            self.next, self.renewal = seen["next"], seen["renewal"]
            self.sample.restore(seen["sample"])
            self.noise = self.sample.noise()
            units = {node.layer.path: node.output_shape[-1] for node in network.nodes}
            for number, (path, activation) in enumerate(self.activations.items()):
                activation.activity.restore(seen["activations"][str(number)], units[path])


def _power_of_4(step: int) -> int:
    """1 for steps 1 to 3, 2 for 4 to 15, 3 for 16 to 63, ...; 0 for 0."""
    return (step.bit_length() + 1) // 2


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


def _activations(network: Network, recorded: Collection[str]) -> dict[str, ActivationShares]:
    """The activations that can saturate or die, by path, with the layer whose figures they are:
    the last one that multiplies before.

    A recurrent layer owns the activation inside it.
    """
    found, last = {}, None
    for node in network.nodes:
        path = node.layer.path
        if node.layer.name in MULTIPLYING and path in recorded:
            last = path
        bounds, dies = saturation_bounds(node), can_die(node)
        if last is not None and (bounds is not None or dies):
            found[path] = ActivationShares(last, bounds, dies)
    return found
