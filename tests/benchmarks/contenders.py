"""One training step as each library does it best: next shuffled batch, forward, loss, backward,
Adam, the loss as a Python float. Every function gives a call that makes ``steps`` steps."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import numpy as np
from plain_numpy import plain_step
from workloads import LEARNING_RATE, Workload

Step = tuple[Callable[[], object], int]  # the call, and how many steps it makes


class MissingError(Exception):
    """This contender has no such network."""


def bpcli(workload: Workload, threads: int) -> Step:
    """As `bpcli bench`: a step without metrics and recording."""
    return _stepper(workload).step, 1


def bpcli_train(workload: Workload, threads: int) -> Step:
    """As `bpcli train`: with the running metrics of the epoch."""
    from bpcli.training.metrics import Meter

    stepper = _stepper(workload)
    stepper.on_batch = Meter(_Targets(workload)).add
    return stepper.step, 1


def _stepper(workload: Workload):
    from bpcli.data import Part
    from bpcli.network import Network
    from bpcli.spec.data import DataOptions, Xor
    from bpcli.spec.layers import BatchNorm, Dense, Relu, Tanh
    from bpcli.spec.model import Spec, TrainingOptions
    from bpcli.spec.optimization import Adam, BinaryCrossEntropy, CrossEntropy
    from bpcli.training import Stepper

    np.seterr(all="ignore")  # as the trainer does
    layers: list = []
    for units in workload.sizes[1:-1]:
        layers.append(Dense(units))
        layers += [BatchNorm()] if workload.batch_norm else []
        layers.append(Relu() if workload.activation == "relu" else Tanh())
    layers.append(Dense(workload.sizes[-1]))
    loss = BinaryCrossEntropy() if workload.binary else CrossEntropy()
    spec = Spec(
        data=DataOptions(generate=Xor()),
        network=tuple(layers),
        loss=loss,
        optimizer=Adam(LEARNING_RATE),
        training=TrainingOptions(epochs=1_000_000, batch_size=workload.batch_size),
    )
    inputs, targets = workload.arrays()
    if workload.binary:
        targets = targets[:, np.newaxis].astype(np.float32)
    network = Network(spec.network, loss, inputs.shape[1:])
    return Stepper(spec, Part(inputs, targets), network)


class _Targets:
    logits = True

    def __init__(self, workload: Workload) -> None:
        self.kind = "binary" if workload.binary else "classes"

    def unscale(self, values: np.ndarray) -> np.ndarray:
        return values


def numpy(workload: Workload, threads: int) -> Step:
    """A hand-written step for these networks alone: what the language allows."""
    if workload.batch_norm:
        raise MissingError
    step, (inputs, targets) = plain_step(workload), workload.arrays()
    rows = _batches(workload, len(inputs))

    def call() -> float:
        chosen = next(rows)
        return step(inputs[chosen], targets[chosen])

    return call, 1


def matmul(workload: Workload, threads: int) -> Step:
    """The step's matrix products alone, on contiguous arrays: the floor of any NumPy program."""
    products = []
    for index, (inputs, units) in enumerate(itertools.pairwise(workload.sizes)):
        batch = workload.batch_size
        shapes = [(batch, inputs, units), (inputs, batch, units)]
        shapes += [(batch, units, inputs)] if index else []
        for rows, inner, columns in shapes:
            left, right = np.ones((rows, inner), "f"), np.ones((inner, columns), "f")
            products.append((left, right, np.empty((rows, columns), "f")))

    def call() -> None:
        for left, right, out in products:
            np.matmul(left, right, out=out)

    return call, 1


def torch(workload: Workload, threads: int) -> Step:
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    layers: list = []
    for inputs, units in itertools.pairwise(workload.sizes[:-1]):
        layers.append(nn.Linear(inputs, units))
        layers += [nn.BatchNorm1d(units)] if workload.batch_norm else []
        layers.append(nn.ReLU() if workload.activation == "relu" else nn.Tanh())
    network = nn.Sequential(*layers, nn.Linear(*workload.sizes[-2:]))
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    loss_of = nn.BCEWithLogitsLoss() if workload.binary else nn.CrossEntropyLoss()
    inputs, targets = map(torch.from_numpy, workload.arrays())
    if workload.binary:
        targets = targets[:, None].float()
    rows = _batches(workload, len(inputs))

    def call() -> float:
        chosen = torch.from_numpy(next(rows))
        optimizer.zero_grad()
        loss = loss_of(network(inputs[chosen]), targets[chosen])
        loss.backward()
        optimizer.step()
        return loss.item()

    return call, 1


def jax(workload: Workload, threads: int) -> Step:
    """One jitted function that gathers the batch and updates in place."""
    if threads == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = flags
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng(0)
    parameters = []
    for inputs, units in itertools.pairwise(workload.sizes):
        weight = random.standard_normal((inputs, units)) * np.sqrt(1 / inputs)
        layer = {"weight": jnp.asarray(weight, "float32"), "bias": jnp.zeros(units)}
        if workload.batch_norm and units != workload.sizes[-1]:
            layer |= {"scale": jnp.ones(units), "shift": jnp.zeros(units)}
        parameters.append(layer)
    running = [jnp.zeros((2, units)) for units in workload.sizes[1:-1]]

    def loss_of(parameters, running, x, targets):
        kept = []
        for layer, state in zip(parameters[:-1], running, strict=True):
            x = x @ layer["weight"] + layer["bias"]
            if workload.batch_norm:
                mean, variance = x.mean(0), x.var(0)
                kept.append(0.9 * state + 0.1 * jnp.stack([mean, variance]))
                x = (x - mean) * jax.lax.rsqrt(variance + 1e-5) * layer["scale"] + layer["shift"]
            x = jax.nn.relu(x) if workload.activation == "relu" else jnp.tanh(x)
        logits = x @ parameters[-1]["weight"] + parameters[-1]["bias"]
        if workload.binary:
            return jnp.mean(jax.nn.softplus(logits[:, 0]) - logits[:, 0] * targets), kept or running
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], -1)
        return -jnp.mean(chosen), kept or running

    def train(parameters, running, mean, square, steps, inputs, targets, chosen):
        (loss, running), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            parameters, running, inputs[chosen], targets[chosen]
        )
        steps = steps + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradients)
        correction = jnp.sqrt(1 - 0.999**steps)
        rate = LEARNING_RATE * correction / (1 - 0.9**steps)
        parameters = jax.tree.map(
            lambda p, m, s: p - rate * m / (jnp.sqrt(s) + 1e-8 * correction),
            parameters,
            mean,
            square,
        )
        return loss, (parameters, running, mean, square, steps)

    train = jax.jit(train, donate_argnums=(0, 1, 2, 3, 4))
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    kept = (parameters, running, *zeros, jnp.float32(0))
    inputs, targets = map(jnp.asarray, workload.arrays())
    rows = _batches(workload, len(inputs))

    def call() -> float:
        nonlocal kept
        loss, kept = train(*kept, inputs, targets, next(rows))
        return float(loss)

    return call, 1


def sklearn(workload: Workload, threads: int) -> Step:
    """An epoch of ``partial_fit``, so that its checks spread over the steps."""
    if workload.batch_norm:
        raise MissingError
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        workload.sizes[1:-1],
        activation=workload.activation,
        batch_size=workload.batch_size,
        learning_rate_init=LEARNING_RATE,
        alpha=0.0,
        random_state=0,
    )
    inputs, targets = workload.arrays()
    classes = np.unique(targets)

    def call() -> float:
        classifier.partial_fit(inputs, targets, classes=classes)
        return float(classifier.loss_)

    return call, len(inputs) // workload.batch_size


CONTENDERS: dict[str, Callable[[Workload, int], Step]] = {
    make.__name__: make for make in (bpcli, bpcli_train, numpy, matmul, torch, jax, sklearn)
}


def _batches(workload: Workload, rows: int) -> Iterator[np.ndarray]:
    """Row numbers of one batch after another, shuffled anew for each epoch."""
    random, size = np.random.default_rng(0), workload.batch_size
    while True:
        order = random.permutation(rows)
        for start in range(0, rows - size + 1, size):
            yield order[start : start + size]
