"""One update of a network's parameters, from the next batch to the new weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bpcli.network import Network, threads
from bpcli.network.network import LARGE, streams
from bpcli.optimization import clip, make_optimizer, make_schedule, norm
from bpcli.spec.model import Spec
from bpcli.training.batches import Batches, Rows
from bpcli.training.checkpoint import Tree, check_alike, random_state, restore_random
from bpcli.training.events import NonFinite, Recorder
from bpcli.training.metrics import Array
from bpcli.training.screening import NonFiniteError, Search, all_finite, first_in


class Stepper:
    """Takes steps: forward, loss, backward, clip, optimizer.

    A step is an update: with `accumulate` it takes the mean gradient of that many batches, each
    weighted by its examples; at the end of an epoch there may be fewer. ``on_batch`` is shown
    (outputs, targets, loss without penalty) of every batch.
    """

    def __init__(self, spec: Spec, part: Rows, network: Network) -> None:
        training, random = spec.training, streams(spec.seed)
        self.network, self.options = network, training
        self.batches = Batches(part, training.batch_size, random["order"], shuffle=training.shuffle)
        self.dropout = random["dropout"]
        self.steps_per_epoch = math.ceil(self.batches.count / training.accumulate)
        self.total_steps = training.epochs * self.steps_per_epoch
        self.schedule = make_schedule(spec.schedule, spec.optimizer.learning_rate, self.total_steps)
        self._parameters = network.parameters.trainable
        self._gradients = network.gradients.trainable
        self.optimizer = make_optimizer(spec.optimizer, self._parameters.size, network.dtype)
        self._parts: dict[str, slice] = {}
        if self._parameters.size >= LARGE:
            self.optimizer.share = threads.share
            self._parts = _parts(network)
        self.on_batch: Callable[[Array, Array, float], None] | None = None

        self.steps = self.examples = 0  # examples: of the last step
        self.gradient_norm = 0.0
        self.learning_rate = self.schedule.rate(0)
        self._stochastic = any(node.layer.stochastic for node in network.nodes)
        self._sum = np.zeros_like(network.gradients.vector) if training.accumulate > 1 else None
        # squares of gradients beyond this can overflow in an optimizer's moments
        self._large = math.sqrt(float(np.finfo(network.dtype).max)) * 1e-6

    def step(self, recorder: Recorder | None = None) -> float:
        """One update; returns the loss that it reduced, the penalty included.

        Starts a new epoch where the last one is through. Raises NonFiniteError, before anything
        is updated where the loss or the gradient is not finite.
        """
        if self.batches.exhausted:
            self.batches.rewind()
        start = self.batches.position
        random = self.dropout.bit_generator.state if self._stochastic else None
        with self.network.threads():
            return self._step(recorder, start, random)

    def _step(self, recorder: Recorder | None, start: int, random: Any) -> float:
        if recorder is not None:
            recorder.begin(self.network, self.steps + 1)
        loss = self._loss_and_gradients()
        norms = self._layer_norms()
        if recorder is not None:
            recorder.gradients_ready(norms)
        options, before = self.options, math.hypot(*norms.values()) if norms else None
        self.gradient_norm = clip(self._gradients, options.clip_norm, options.clip_value, before)
        if not (math.isfinite(loss) and math.isfinite(self.gradient_norm)):
            raise self._origin(start, random)
        self.learning_rate = self.schedule.rate(self.steps)
        observe = recorder.updated if recorder is not None else None
        self.optimizer.step(self._parameters, self._gradients, self.learning_rate, observe)
        self.steps += 1
        self._screen(finite=recorder is not None and recorder.updated_finite())
        return loss

    def _layer_norms(self) -> dict[str, float]:
        """‖∂L/∂θ‖ of each layer of a large network, so that a recorder need not pass over its
        gradients again; nothing of a small one, where one product for all is faster."""
        return {layer: norm(self._gradients[part]) for layer, part in self._parts.items()}

    def gradients_of(self, inputs: Array, targets: Array) -> float:
        """Fills the network's gradients for one batch; returns its loss without penalty."""
        network = self.network
        outputs = network.forward(inputs, training=True, random=self.dropout)
        value, cache = network.loss.forward(outputs, targets)
        network.backward(network.loss.backward(cache))
        loss = float(value)
        if self.on_batch is not None:
            self.on_batch(outputs, targets, loss)
        return loss

    def _loss_and_gradients(self) -> float:
        """Of the step's batches together."""
        if self._sum is not None:
            return self._accumulated(self._sum)
        inputs, targets = self.batches.next()
        self.examples = len(inputs)
        loss = self.gradients_of(inputs, targets)
        return loss + self.network.penalty() if self.network.l2 else loss

    def _accumulated(self, total: Array) -> float:
        """The mean over the batches, weighted by their examples."""
        gradients = self.network.gradients.vector
        total.fill(0)
        loss, self.examples = 0.0, 0
        for _ in range(self.options.accumulate):
            inputs, targets = self.batches.next()
            count = len(inputs)
            loss += count * self.gradients_of(inputs, targets)
            np.multiply(gradients, count, out=gradients)
            np.add(total, gradients, out=total)
            self.examples += count
            if self.batches.exhausted:
                break
        np.multiply(total, 1 / self.examples, out=gradients)
        return loss / self.examples + self.network.penalty()

    def _screen(self, *, finite: bool) -> None:
        """Raises where the update or the running means left the range of numbers; ``finite``: the
        parameters are known not to have."""
        network = self.network
        if not finite and not all_finite(self._parameters):
            raise self._non_finite(self.steps, "parameter", first_in(network.parameters))
        if network.state.vector.size and not all_finite(network.state.vector):
            raise self._non_finite(self.steps, "state", first_in(network.state))
        if self.gradient_norm > self._large:
            self.screen_moments()

    def screen_moments(self) -> None:
        """An infinite moment would hold its parameter still, for ever and unseen."""
        for moment in self.optimizer.state.values():
            if not all_finite(moment):
                name = first_in(self.network.parameters, moment)
                raise self._non_finite(self.steps, "optimizer", name)

    def _origin(self, start: int, random: Any) -> NonFiniteError:
        """Goes through the step's batches again, looking for the first value that is not finite."""
        if random is not None:
            self.dropout.bit_generator.state = random
        network, search, end = self.network, Search(self.network), self.batches.position
        network.observe(search)
        try:
            for position in range(start, end, self.batches.batch_size):
                inputs, targets = self.batches.again(position)
                outputs = network.forward(inputs, training=True, random=self.dropout)
                value, cache = network.loss.forward(outputs, targets)
                search.loss(float(value))
                network.backward(network.loss.backward(cache))
                if search.found is not None:
                    quantity, layer, parameter = search.found
                    return self._non_finite(self.steps + 1, quantity, parameter, layer)
        finally:
            network.observe(None)
        # each batch by itself is finite: their sum overflowed, or the penalty
        parameter = first_in(network.gradients)
        return self._non_finite(self.steps + 1, "gradient" if parameter else "loss", parameter)

    def _non_finite(
        self, step: int, quantity: str, parameter: str | None, layer: str | None = None
    ) -> NonFiniteError:
        layer = layer or (parameter.rpartition(".")[0] if parameter else None)
        return NonFiniteError(NonFinite(step, self.epoch_of(step), quantity, layer, parameter))

    def epoch_of(self, step: int) -> int:
        """The epoch that a step belongs to, both from 1."""
        return (step - 1) // self.steps_per_epoch + 1

    def state(self) -> Tree:
        """All that the next step depends on, the network apart."""
        return {
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "batches": self.batches.state(),
            "dropout": random_state(self.dropout),
            "optimizer": {"steps": self.optimizer.steps, "moments": self.optimizer.state},
            "schedule": self.schedule.state(),
        }

    def restore(self, state: Tree) -> None:
        """Takes up what :meth:`state` gave; raises ValueError or KeyError on another run's."""
        optimizer, moments = state["optimizer"], state["optimizer"]["moments"]
        if state["steps"] > self.total_steps:
            raise ValueError(f"it has made {state['steps']} steps, this run has {self.total_steps}")
        if optimizer["steps"] != state["steps"]:
            raise ValueError(f"its optimizer has made {optimizer['steps']} steps")
        self.steps, self.learning_rate = state["steps"], state["learning_rate"]
        self.batches.restore(state["batches"])
        restore_random(self.dropout, state["dropout"])
        self.optimizer.steps = self.steps
        for name, moment in self.optimizer.state.items():
            check_alike(moment, moments[name])
            moment[...] = moments[name]
        self.schedule.restore(state["schedule"])


def _parts(network: Network) -> dict[str, slice]:
    """Each layer's part of the gradients; none where some are frozen or lie apart."""
    parts = network.parameters.layout.parts()
    whole = all(len(own) == 1 for own in parts.values())
    frozen = network.parameters.trainable.size < network.parameters.vector.size
    return {} if frozen or not whole else {layer: own for layer, (own,) in parts.items()}
