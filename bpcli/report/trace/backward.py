"""Backward: the gradient that arrives × the local derivative = the gradient that leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bpcli.network import Network
from bpcli.network.chain import Node
from bpcli.network.layers import Dense, Residual
from bpcli.network.layers.activations import Activation
from bpcli.network.parameters import owner
from bpcli.report.trace.document import Equation, Section
from bpcli.report.trace.example import SHOWN_WHOLE, Array, Event, place, shown_inputs, strongest
from bpcli.report.trace.formulas import BY_PARAMETERS, leaving_formula
from bpcli.report.trace.forward import softmax, sum_of, values
from bpcli.report.trace.local import LocalDerivatives, chained
from bpcli.report.trace.selection import Selection, change_section, passage
from bpcli.report.trace.through_time import Run

_MOST_WEIGHTS = 24  # of one layer
_MANY = 4  # parameters: of a layer with more of them, one element of each is worked out


class Backward:
    """Works the gradient back through a network's layers; ``worked`` says which elements of which
    parameters it has shown."""

    def __init__(
        self,
        network: Network,
        vector: Array,
        gradients: Array,
        local: LocalDerivatives,
        events: Mapping[str, Event],
        shown: Mapping[str, list[int]],
        selection: Selection,
        runs: Mapping[str, Run],
    ) -> None:
        self.network, self.vector, self.gradients = network, vector, gradients
        self.local, self.events, self.shown = local, events, shown
        self.selection, self.runs = selection, runs
        self.before = {path: shown_inputs(path, events, shown) for path in selection.shown}
        self.worked: dict[str, list[int]] = {}

    def sections(self, targets: Array) -> Iterator[Section]:
        last = self.events[self.network.chain.nodes[-1].layer.path]
        yield _loss_gradient(self.network, targets, last, self.shown[last.node.layer.path])
        yield from change_section(self.selection, self.events)
        paths = [path for path in way_back(self.network.chain.nodes) if self._arrives(path)]
        for whole, run in self.selection.runs(paths):
            events = [self.events[path] for path in run]
            if whole:
                for event in events:
                    yield from self._layer(event)
            else:
                yield self.selection.gap(run, *passage(events))

    def _arrives(self, path: str) -> bool:
        return path in self.events and self.events[path].arrives is not None

    def _layer(self, event: Event) -> Iterator[Section]:
        if isinstance(event.node.layer, Dense) and event.inputs.ndim == 1:
            yield from self._dense(event)
            return
        if event.states is not None:
            yield _through_time(event)
        if event.node.layer.path in self.runs:
            yield from self.runs[event.node.layer.path].backward()
        yield from self._parameters(event)
        if event.leaves is not None:
            yield self._inputs(event)

    def _parameters(self, event: Event) -> Iterator[Section]:
        """∂L/∂θ of the layer's own parameters, the largest of each."""
        path, size = event.node.layer.path, 0
        equations: list[Equation] = []
        names, run = self._own(path), self.runs.get(path)
        most = _MOST_WEIGHTS if run is not None and run.whole else SHOWN_WHOLE
        for name in names:
            slot = self.network.parameters.layout.slots[name]
            gradient = self.gradients[slot.start : slot.stop]
            kept = strongest(np.abs(gradient), most)
            if len(names) > _MANY and len(kept) < gradient.size:
                kept = [int(np.argmax(np.abs(gradient)))]
            self.worked[name] = kept
            size += gradient.size
            equations += self._elements(event, name, name[len(path) + 1 :], kept)
        if equations:
            formula = BY_PARAMETERS if run is None else run.parameters()
            yield Section(path, formula, tuple(equations), size - len(equations))

    def _own(self, path: str) -> list[str]:
        """The parameters of a layer that are not those of a layer inside it."""
        names = self.network.parameters.layout.slots
        inside = {owner(name) for name in names if owner(name) in self.events} - {path}
        return [n for n in names if n.startswith(f"{path}.") and owner(n) not in inside]

    def _elements(self, event: Event, name: str, short: str, kept: list[int]) -> Iterator[Equation]:
        assert event.arrives is not None
        slot = self.network.parameters.layout.slots[name]
        gradient, values_ = (v[slot.start : slot.stop] for v in (self.gradients, self.vector))
        run = self.runs.get(event.node.layer.path)
        rows = None if run is not None else self.local.by_parameter(event, name, kept)
        for n, flat in enumerate(kept):
            left = f"∂L/∂{short}[{place(flat, slot.shape)}]"
            pull = self._pull(name, float(values_[flat]))
            if run is not None:
                indices = tuple(map(int, np.unravel_index(flat, slot.shape)))
                yield run.by_parameter(left, float(gradient[flat]), short, indices, *pull)
                continue
            row = None if rows is None else rows[n]
            yield chained(left, float(gradient[flat]), event.arrives.reshape(-1), row, *pull)

    def _pull(self, name: str, value: float) -> list[tuple[float, ...]]:
        """What the l2 penalty adds to the gradient of a weight."""
        return [(self.network.l2, value)] if self.network.l2 and name.endswith("weight") else []

    def _inputs(self, event: Event) -> Section:
        layer, kept = event.node.layer, self.before[event.node.layer.path]
        formula, equations = leaving_formula(layer), self._leaving(event, kept)
        if isinstance(layer, Activation):
            formula = "gradient that arrives × slope = gradient that leaves"
        if layer.path in self.runs:
            formula = "∂L/∂xₜ = Σ δₜ × W"
        return Section(layer.path, formula, tuple(equations), event.inputs.size - len(kept))

    def _leaving(self, event: Event, kept: list[int]) -> Iterator[Equation]:
        layer = event.node.layer
        assert event.arrives is not None
        assert event.leaves is not None
        arrives, leaves = event.arrives.reshape(-1), event.leaves.reshape(-1)
        run = self.runs.get(layer.path)
        apart = run is not None or isinstance(layer, Residual)
        rows = None if apart else self.local.by_inputs(event, kept)
        for n, flat in enumerate(kept):
            left, value = f"∂L/∂x[{place(flat, event.inputs.shape)}]", float(leaves[flat])
            if run is not None:
                yield run.by_input(left, value, flat)
            elif isinstance(layer, Residual):
                first = self.events[layer.chain.nodes[0].layer.path].leaves
                inner = 0.0 if first is None else float(first.reshape(-1)[flat])
                yield Equation(left, value, ((value - inner,), (inner,)))
            elif isinstance(layer, Activation) and rows is not None:
                yield Equation(left, value, ((float(arrives[flat]), float(rows[n][flat])),))
            else:
                yield chained(left, value, arrives, None if rows is None else rows[n])

    def _dense(self, event: Event) -> Iterator[Section]:
        """The two products of a dense layer, between the units that are shown."""
        path = event.node.layer.path
        inputs, outputs = self.before[path], self.shown[path]
        assert event.arrives is not None
        weight = values(self.network, self.vector, f"{path}.weight")
        gradient = values(self.network, self.gradients, f"{path}.weight")
        equations = []
        for i, j in [(i, j) for j in outputs for i in inputs][:_MOST_WEIGHTS]:
            product = (float(event.inputs[i]), float(event.arrives[j]))
            pull = self._pull(f"{path}.weight", float(weight[i, j]))
            equations.append(Equation(f"∂L/∂W[{i}, {j}]", float(gradient[i, j]), (product, *pull)))
            self.worked.setdefault(f"{path}.weight", []).append(i * weight.shape[1] + j)
        bias = values(self.network, self.gradients, f"{path}.bias")
        if bias.size:
            equations += [Equation(f"∂L/∂b[{j}]", float(bias[j])) for j in outputs]
            self.worked[f"{path}.bias"] = outputs
        left_out = weight.size + bias.size - len(equations)
        yield Section(path, "∂L/∂W = input × gradient that arrives", tuple(equations), left_out)
        if event.leaves is None:
            return
        leaving = [
            sum_of(f"∂L/∂x[{i}]", float(event.leaves[i]), event.arrives, weight[i]) for i in inputs
        ]
        left_out = event.inputs.size - len(inputs)
        yield Section(path, "∂L/∂x = Σ gradient that arrives × weight", tuple(leaving), left_out)


def way_back(nodes: Sequence[Node]) -> Iterator[str]:
    """From the last layer to the first; those inside a layer before that layer itself."""
    for node in reversed(nodes):
        inner = getattr(node.layer, "chain", None)
        if inner is not None:
            yield from way_back(inner.nodes)
        yield node.layer.path


def _loss_gradient(network: Network, target: Array, last: Event, kept: list[int]) -> Section:
    """∂L/∂y of the network's outputs, as the product that it is for the commonest losses."""
    assert last.arrives is not None
    arrives, y, size = last.arrives.reshape(-1), last.outputs.reshape(-1), last.outputs.size
    name, formula, letter = network.loss.name, "∂L/∂y of the network's outputs y", "y"
    products: dict[int, tuple[tuple[float, ...], ...]] = {}
    if name == "mse":
        formula = "∂L/∂y = 2 / n (y - t)"
        differences = y - target.reshape(-1)
        products = {unit: ((2 / size, float(differences[unit])),) for unit in kept}
    elif name == "binary_cross_entropy":
        formula, letter = "∂L/∂z = (p - t) / n", "z"
        for unit in kept:
            share = (1 / size,) if size > 1 else ()
            p, t = float(1 / (1 + np.exp(-y[unit]))), float(target.reshape(-1)[unit])
            products[unit] = ((p, *share), (-t, *share))
    elif name == "cross_entropy":
        classes, letter = last.outputs.shape[-1], "z"
        places = size // classes
        formula = "∂L/∂z = p - 1 at the target, p elsewhere"
        if places > 1:
            formula = f"∂L/∂z = 1/{places} (p - 1) at the target, 1/{places} p elsewhere"
        shares, truth = softmax(last.outputs).reshape(-1), target.reshape(-1)
        for unit in kept:
            share = (1 / places,) if places > 1 else ()
            hit = int(truth[unit // classes]) == unit % classes
            products[unit] = ((float(shares[unit]), *share), *([(-1.0, *share)] if hit else []))
    equations = tuple(
        Equation(f"∂L/∂{letter}[{place(u, last.outputs.shape)}]", float(arrives[u]),
                 products.get(u, ()))
        for u in kept
    )  # fmt: skip
    return Section(name, formula, equations, size - len(kept))


def _through_time(event: Event) -> Section:
    """‖∂L/∂hₜ‖ of the last steps and, further back, of fewer and fewer: how far it reaches."""
    assert event.states is not None
    steps = len(event.states)
    backs = sorted({0, steps - 1, *(2**k for k in range(steps.bit_length()) if 2**k < steps)})
    norms = np.linalg.norm(event.states, axis=1)
    equations = tuple(
        Equation(f"‖∂L/∂h[{steps - 1 - back}]‖", float(norms[steps - 1 - back])) for back in backs
    )
    formula = "the gradient by the state, from the last step back through time"
    return Section(event.node.layer.path, formula, equations, steps - len(backs))
