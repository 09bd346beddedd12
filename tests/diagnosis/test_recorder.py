"""What the recorder writes, against the formulas in plain NumPy in double precision."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from bpcli.data import Part
from bpcli.diagnosis.activity import Activity
from bpcli.diagnosis.extremes import Extremes
from bpcli.diagnosis.recorder import FIRST_STEPS, LINES, Recorder, recording_interval
from bpcli.network import Network
from bpcli.spec.data import DataOptions, Xor
from bpcli.spec.initializers import Normal, Ones
from bpcli.spec.layers import LAYERS
from bpcli.spec.model import Spec, TrainingOptions
from bpcli.spec.optimization import LOSSES, OPTIMIZERS
from bpcli.training import Stepper
from bpcli.training.screening import NonFiniteError

Array = np.ndarray[Any, Any]
EXAMPLES, INPUTS = 48, 7


def layer(name: str, **options: Any) -> Any:
    return LAYERS[name](**options)


def stepper(
    *layers: Any,
    inputs: Array | None = None,
    outputs: int = 3,
    optimizer: Any = None,
    dtype: str = "float64",
    **training: Any,
) -> Stepper:
    """Takes all examples as one batch, in their order, and reduces the mean square."""
    random = np.random.default_rng(5)
    if inputs is None:
        inputs = random.standard_normal((EXAMPLES, INPUTS))
    targets = random.standard_normal((len(inputs), outputs)).astype(dtype)
    options = {"epochs": 1000, "batch_size": len(inputs), "shuffle": False} | training
    spec = Spec(
        data=DataOptions(generate=Xor()),
        network=layers,
        loss=LOSSES["mse"](),
        dtype=dtype,
        optimizer=OPTIMIZERS["sgd"](0.1) if optimizer is None else optimizer,
        training=TrainingOptions(**options),
    )
    network = Network(layers, spec.loss, inputs.shape[1:], dtype=dtype, seed=3)
    return Stepper(spec, Part(inputs.astype(dtype), targets), network)


def record(taker: Stepper, recorder: Recorder) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        loss = taker.step(recorder)
    return recorder.end(taker.steps, 1, loss)


def by_name(line: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in line["layers"]}


def size(*arrays: Array) -> float:
    """√ of the sum of squares, added up exactly."""
    return math.sqrt(math.fsum(float(x) ** 2 for array in arrays for x in array.ravel()))


# each figure

NAMES = ("dense_1", "dense_2", "dense_3")
WIDE = Normal(1.5)
STACK = (
    layer("dense", units=6, init=WIDE),
    layer("tanh"),
    layer("dense", units=5, init=WIDE, bias=Normal(3.0)),
    layer("relu"),
    layer("dense", units=3),
)


class ByHand:
    """What STACK and the mean square do on a batch, written out."""

    def __init__(self, network: Network, x: Array, t: Array) -> None:
        p = {name: array.copy() for name, array in network.parameters.items()}
        z1 = x @ p["dense_1.weight"] + p["dense_1.bias"]
        self.tanh = np.tanh(z1)
        z2 = self.tanh @ p["dense_2.weight"] + p["dense_2.bias"]
        self.relu = z2 * (z2 > 0)
        z3 = self.relu @ p["dense_3.weight"] + p["dense_3.bias"]
        d3 = 2 * (z3 - t) / t.size
        d2 = (d3 @ p["dense_3.weight"].T) * (z2 > 0)
        d1 = (d2 @ p["dense_2.weight"].T) * (1 - self.tanh**2)
        inputs, deltas = (x, self.tanh, self.relu), (d1, d2, d3)
        self.loss = ((z3 - t) ** 2).mean()
        self.outputs = dict(zip(NAMES, (z1, z2, z3), strict=True))
        self.deltas = dict(zip(NAMES, deltas, strict=True))
        self.parameters = {n: [p[f"{n}.weight"], p[f"{n}.bias"]] for n in NAMES}
        self.gradients = {
            n: [a.T @ d, d.sum(0)] for n, a, d in zip(NAMES, inputs, deltas, strict=True)
        }


def test_every_figure_is_what_the_formulas_give() -> None:
    taker, recorder = stepper(*STACK, clip_norm=1e-3), Recorder(100)
    part = taker.batches.part
    taker.network.parameters["dense_2.bias"][1] = -100  # so that one unit is dead
    expected = ByHand(taker.network, part.inputs, part.targets)
    line = record(taker, recorder)
    after = ByHand(taker.network, part.inputs, part.targets).parameters
    assert (line["step"], line["epoch"]) == (1, 1)
    assert line["loss"] == pytest.approx(expected.loss, rel=1e-12)
    assert [each["name"] for each in line["layers"]] == list(NAMES)
    for name, figures in by_name(line).items():
        weights, outputs = expected.parameters[name], expected.outputs[name]
        moved = [b - a for b, a in zip(weights, after[name], strict=True)]
        root = size(outputs) / math.sqrt(outputs.size)
        assert figures["delta_norm"] == pytest.approx(size(expected.deltas[name]), rel=1e-12)
        assert figures["gradient_norm"] == pytest.approx(size(*expected.gradients[name]), rel=1e-12)
        assert figures["weight_norm"] == pytest.approx(size(*weights), rel=1e-12)
        assert figures["update_ratio"] == pytest.approx(size(*moved) / size(*weights), rel=1e-9)
        assert figures["activation_rms"] == pytest.approx(root, rel=1e-12)
        assert figures["activation_mean"] == pytest.approx(outputs.mean(), rel=1e-9)
    first, second, third = line["layers"]
    saturated = np.abs(expected.tanh) >= 0.95
    assert 0.1 < saturated.mean() < 0.9
    assert first["saturated"] == saturated.mean()
    dead = ~(expected.relu > 0).any(axis=0)
    assert dead.sum() == 1
    assert second["dead_units"] == pytest.approx(dead.mean())
    assert "saturated" not in third
    assert "dead_units" not in third


def test_the_second_step_begins_with_the_weights_that_the_first_one_left() -> None:
    taker, recorder = stepper(*STACK), Recorder(100)
    for _ in range(3):
        before = {name: array.copy() for name, array in taker.network.parameters.items()}
        for name, figures in by_name(record(taker, recorder)).items():
            own = size(before[f"{name}.weight"], before[f"{name}.bias"])
            assert figures["weight_norm"] == pytest.approx(own, rel=1e-12)
    taker.step()  # unseen
    before = {name: array.copy() for name, array in taker.network.parameters.items()}
    line = record(taker, recorder)
    own = size(before["dense_1.weight"], before["dense_1.bias"])
    assert line["layers"][0]["weight_norm"] == pytest.approx(own, rel=1e-12)


@pytest.mark.parametrize(
    "optimizer",
    [
        OPTIMIZERS["sgd"](0.1, momentum=0.9, nesterov=True),
        OPTIMIZERS["rmsprop"](0.01, momentum=0.5),
        OPTIMIZERS["adagrad"](0.1),
        OPTIMIZERS["adam"](0.02),
        OPTIMIZERS["adamw"](0.02, weight_decay=3.0),
    ],
    ids=lambda options: options.name,
)
def test_an_update_is_all_that_the_optimizer_does(optimizer: Any) -> None:
    taker, recorder = stepper(*STACK, optimizer=optimizer), Recorder(100)
    for _ in range(3):
        before = taker.network.parameters.vector.copy()
        line = record(taker, recorder)
        layout = taker.network.parameters.layout
        for name, figures in by_name(line).items():
            (own,) = layout.parts()[name]
            moved = taker.network.parameters.vector[own] - before[own]
            assert figures["update_ratio"] == pytest.approx(size(moved) / size(before[own]))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_layers_larger_than_a_block_of_the_optimizer(optimizer: str) -> None:
    """Its 421,000 parameters are updated in blocks, by threads, the norms taken with them."""
    taker = stepper(
        layer("dense", units=600),
        layer("relu"),
        layer("dense", units=1),
        inputs=np.random.default_rng(1).standard_normal((9, 700)),
        outputs=1,
        optimizer=OPTIMIZERS[optimizer](0.1),
        dtype="float32",
    )
    assert taker.network.parameters.vector.size > 400_000
    recorder = Recorder(100)
    for _ in range(2):
        before = taker.network.parameters.vector.astype(np.float64)
        for name, figures in by_name(record(taker, recorder)).items():
            (own,) = taker.network.parameters.layout.parts()[name]
            moved = before[own] - taker.network.parameters.vector[own]
            gradient = taker.network.gradients.vector[own]
            assert figures["weight_norm"] == pytest.approx(np.linalg.norm(before[own]), rel=1e-5)
            assert figures["gradient_norm"] == pytest.approx(size(gradient), rel=1e-5)
            ratio = np.linalg.norm(moved) / np.linalg.norm(before[own])
            assert figures["update_ratio"] == pytest.approx(ratio, rel=1e-3)


def test_frozen_parameters_have_norms_and_do_not_move() -> None:
    frozen = layer("dense", units=4, freeze=("weight", "bias"))
    half = layer("dense", units=4, freeze=("weight",))
    taker, recorder = stepper(frozen, half, layer("dense", units=3)), Recorder(100)
    for _ in range(2):
        before = {name: array.copy() for name, array in taker.network.parameters.items()}
        first, second, _ = record(taker, recorder)["layers"]
        assert first["weight_norm"] == pytest.approx(size(before["dense_1.weight"]))
        assert first["gradient_norm"] > 0
        assert first["update_ratio"] == 0
        bias = before["dense_2.bias"], taker.network.parameters["dense_2.bias"]
        whole = size(before["dense_2.weight"], bias[0])
        assert second["update_ratio"] == pytest.approx(size(bias[1] - bias[0]) / whole)


def test_a_residual_block_has_a_row_with_all_its_layers() -> None:
    block = layer("residual", layers=(layer("dense", units=6), layer("tanh"),
                                      layer("dense", units=6)))  # fmt: skip
    taker = stepper(layer("dense", units=6), block, layer("dense", units=3))
    figures = by_name(record(taker, Recorder(100)))
    inner = [figures["residual_1.dense_1"], figures["residual_1.dense_2"]]
    assert list(figures) == ["dense_1", "residual_1", "residual_1.dense_1", "residual_1.dense_2",
                             "dense_2"]  # fmt: skip
    for key in ("gradient_norm", "weight_norm"):
        expected = math.hypot(*(each[key] for each in inner))
        assert figures["residual_1"][key] == pytest.approx(expected)
    # ∂L/∂y of the block is what the last layer hands back
    delta = figures["residual_1"]["delta_norm"]
    assert delta == pytest.approx(figures["residual_1.dense_2"]["delta_norm"])
    moved = math.hypot(*(each["update_ratio"] * each["weight_norm"] for each in inner))
    ratio = moved / figures["residual_1"]["weight_norm"]
    assert figures["residual_1"]["update_ratio"] == pytest.approx(ratio)


@pytest.mark.parametrize("scale", [1e-25, 1e20])
def test_norms_of_float32_neither_under_nor_overflow(scale: float) -> None:
    """The last layer starts at the scale, so that the first one's gradients have it; its inputs
    are as small or as large, so that its outputs have it too."""
    plain = np.random.default_rng(1).standard_normal((20, 4))
    expected: dict[str, dict[str, Any]] = {}
    for dtype in ("float64", "float32"):
        taker = stepper(
            layer("dense", units=5, bias=False),
            layer("dense", units=3, bias=False, init=Normal(1.0)),
            inputs=plain * scale,
            optimizer=OPTIMIZERS["sgd"](1e-30),
            dtype=dtype,
        )
        weights = taker.network.parameters["dense_2.weight"]
        weights *= 1 / scale if scale > 1 else 1
        found = by_name(record(taker, Recorder(10)))
        expected = expected or found
        for name, figure in itertools.product(found, EXACT):
            value = expected[name][figure]
            assert 0 < value < 1e38
            assert found[name][figure] == pytest.approx(value, rel=1e-4, abs=0), (name, figure)


EXACT = "delta_norm", "gradient_norm", "weight_norm", "activation_rms"


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_saturation_is_relative_to_the_activations_own_range(name: str) -> None:
    """With weights 1 on one input: the outer 2.5% of the range are beyond these inputs."""
    edge = math.atanh(0.95) if name == "tanh" else math.log(0.975 / 0.025)
    inputs = np.array([-1.01, -0.99, 0.0, 0.99, 1.01, 5.0])[:, None] * edge
    taker = stepper(
        layer("dense", units=1, init=Ones()),
        layer(name),
        layer("dense", units=3),
        inputs=inputs,
    )
    assert record(taker, Recorder(10))["layers"][0]["saturated"] == pytest.approx(3 / 6)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("returns", ["last", "sequence"])
def test_norms_through_time_are_those_of_a_loop_over_the_steps(
    activation: str, returns: str
) -> None:
    """hₜ = φ(xₜ W + hₜ₋₁ U + b); what arrives at hₜ is what its own output gets and
    (∂hₜ₊₁/∂hₜ)ᵀ of what arrives at hₜ₊₁."""
    x = np.random.default_rng(2).standard_normal((8, 6, 2))
    recurrent = layer("rnn", units=4, activation=activation, returns=returns, bias=Normal(0.3))
    taker = stepper(recurrent, layer("flatten"), layer("dense", units=3), inputs=x)
    p = {name: array.copy() for name, array in taker.network.parameters.items()}
    states = [np.zeros((8, 4))]
    for t in range(6):
        z = x[:, t] @ p["rnn_1.weight"] + states[-1] @ p["rnn_1.recurrent_weight"]
        z = z + p["rnn_1.bias"]
        states.append(np.tanh(z) if activation == "tanh" else z * (z > 0))
    hidden = states[1:]
    seen = hidden[-1] if returns == "last" else np.concatenate(hidden, axis=1)
    outputs = seen @ p["dense_1.weight"] + p["dense_1.bias"]
    targets = taker.batches.part.targets
    delta = (2 * (outputs - targets) / targets.size) @ p["dense_1.weight"].T
    own = {5: delta} if returns == "last" else dict(enumerate(np.split(delta, 6, axis=1)))
    norms, arrived = [], np.zeros((8, 4))
    for t in reversed(range(6)):
        arrived = arrived + own.get(t, 0.0)
        norms.append(size(arrived))
        slope = 1 - hidden[t] ** 2 if activation == "tanh" else hidden[t] > 0
        arrived = (arrived * slope) @ p["rnn_1.recurrent_weight"].T
    figures = by_name(record(taker, Recorder(10)))["rnn_1"]
    assert figures["time_norms"] == pytest.approx(norms[::-1], rel=1e-10)
    whole = hidden[-1] if returns == "last" else np.stack(hidden)
    if activation == "tanh":
        assert figures["saturated"] == pytest.approx((np.abs(whole) >= 0.95).mean())


# over several steps


def test_a_unit_is_dead_that_was_silent_on_all_examples_of_the_window() -> None:
    activity, awake = Activity(), np.zeros((16, 3))
    awake[5, 0] = 1.0
    activity.add(awake)
    assert activity.share is None  # 16 examples are too few
    activity.add(np.zeros((48, 3)))
    assert activity.share == pytest.approx(2 / 3)
    once = np.zeros((64, 3))
    once[63, 1] = 1e-30
    activity.add(once)
    assert activity.share == pytest.approx(1 / 3)  # the third has never been active
    for _ in range(6):
        activity.add(np.zeros((64, 3)))
    assert activity.share == pytest.approx(1 / 3)  # 512 examples are not yet over
    for _ in range(8):
        activity.add(np.zeros((64, 3)))
    assert activity.share == pytest.approx(1 / 3)  # the window before still counts
    activity.add(np.zeros((64, 3)))
    assert activity.share == 1.0


def test_dead_units_count_over_positions_too() -> None:
    outputs = np.zeros((128, 5, 5, 3))
    outputs[2, 1, 4, 2] = 0.5
    activity = Activity()
    activity.add(outputs)
    assert activity.share == pytest.approx(2 / 3)


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_gradient_noise_is_the_spread_of_the_batches_gradients(noise: float) -> None:
    """y = b of 400 units, so that ∂L/∂b is the mean of b - t, up to a factor: with targets of
    spread s around 1, batches of n examples have a noise of s / √n."""
    random, batch = np.random.default_rng(3), 10
    targets = 1 + noise * math.sqrt(batch) * random.standard_normal((4000, 400))
    spec = Spec(
        data=DataOptions(generate=Xor()),
        network=(layer("dense", units=400, freeze=("weight",)),),
        loss=LOSSES["mse"](),
        dtype="float64",
        optimizer=OPTIMIZERS["sgd"](1e-12),
        training=TrainingOptions(epochs=1, batch_size=batch),
    )
    network = Network(spec.network, spec.loss, (1,), dtype="float64")
    taker = Stepper(spec, Part(np.zeros((4000, 1)), targets), network)
    recorder = Recorder(1000, interval=4)
    found = []
    for step in range(1, 401):
        if recorder.wants(step):
            found.append(record(taker, recorder)["layers"][0]["gradient_noise"])
        else:
            taker.step()
    assert found[0] is None  # of one batch nobody knows
    assert found[-1] == pytest.approx(noise, rel=0.15)


def test_what_happens_between_two_records_leaves_its_extremes() -> None:
    extremes = Extremes()
    for loss, norm in ((3.0, 0.1), (1.0, 5.0), (2.0, 0.2)):
        extremes.add(loss, norm)
    assert extremes.taken() == {"extremes": {"loss": [1.0, 3.0], "gradient_norm": [0.1, 5.0]}}
    assert extremes.taken() == {}


# which steps


@pytest.mark.parametrize("total", [1, 9, 10, 11, 499, 500, 999, 1000, 123_456, 1_000_000])
@pytest.mark.parametrize("interval", [1, 7])
def test_a_log_has_so_many_lines_at_most(total: int, interval: int) -> None:
    recorder = Recorder(total, interval=interval)
    steps = [step for step in range(1, total + 1) if recorder.wants(step)]
    assert steps[:FIRST_STEPS] == list(range(1, min(total, FIRST_STEPS) + 1))
    assert len(steps) < 2 * LINES + FIRST_STEPS
    distances = {b - a for a, b in itertools.pairwise(steps[FIRST_STEPS:])}
    assert len(distances) < 2  # all the same


def test_older_steps_are_thinned_out_and_their_extremes_kept() -> None:
    """A gradient that is a thousand times as large at one step of many is in the log, whether its
    step is or not."""
    taker, recorder = stepper(*STACK, optimizer=OPTIMIZERS["sgd"](1e-9)), Recorder(5000)
    lines, targets = [], taker.batches.part.targets.copy()
    for step in range(1, 101):
        taker.batches.part.targets[...] = targets * (1000 if step == 57 else 1)
        if recorder.wants(step):
            lines.append(record(taker, recorder))
        else:
            recorder.passed(taker.step(), taker.gradient_norm)
    assert [line["step"] for line in lines] == [*range(1, 11), *range(20, 101, 10)]
    extremes = {line["step"]: line["extremes"] for line in lines if "extremes" in line}
    assert list(extremes) == list(range(20, 101, 10))
    usual = lines[0]["loss"]
    for step, ranges in extremes.items():
        low, high = ranges["loss"]
        assert low == pytest.approx(usual, rel=0.1)
        assert high > 100 * usual if step == 60 else high == pytest.approx(usual, rel=0.1)
        assert ranges["gradient_norm"][0] <= ranges["gradient_norm"][1]


def test_large_networks_are_recorded_at_every_step_and_tiny_ones_at_fewer() -> None:
    def network(*units: int) -> Network:
        stack = [layer("dense", units=each) for each in units]
        return Network(stack, LOSSES["mse"](), (units[0],))

    assert recording_interval(network(784, 512, 512, 10), 128) == 1
    assert recording_interval(network(1024, 1024, 1024, 10), 256) == 1
    assert recording_interval(network(2, 8, 1), 4) > 10


# what is not finite


def test_a_recorded_step_counts_what_is_not_finite_and_names_its_first_place() -> None:
    taker, recorder = stepper(*STACK), Recorder(100)
    record(taker, recorder)
    taker.network.parameters["dense_2.bias"][1:3] = np.inf
    with pytest.raises(NonFiniteError) as error, np.errstate(all="ignore"):
        taker.step(recorder)
    found = error.value.found
    assert (found.step, found.quantity, found.layer) == (2, "activation", "dense_2")
    assert recorder.figures["dense_1"].get("non_finite", 0) > 0  # of its gradient
    assert recorder.figures["dense_2"]["non_finite"] >= 2 * EXAMPLES
    assert not math.isfinite(recorder.figures["dense_2"]["activation_rms"])


def test_an_update_that_overflows_is_found_while_somebody_looks_on() -> None:
    taker = stepper(*STACK, optimizer=OPTIMIZERS["sgd"](1e30), dtype="float32")
    taker.network.parameters["dense_3.weight"][...] = 1e15
    with pytest.raises(NonFiniteError) as error, np.errstate(all="ignore"):
        taker.step(Recorder(100))
    assert error.value.found.quantity == "parameter"


# for a checkpoint


def test_a_recorder_goes_on_from_its_state() -> None:
    """At any step, the next lines are those of a recorder that was never interrupted."""
    taker, whole = stepper(*STACK, batch_size=8), Recorder(4000, interval=2)
    for step in range(1, 31):
        halted = Recorder(4000, interval=2)
        halted.restore(taker.network, whole.state())
        vectors = taker.network.parameters.vector.copy(), taker.state()
        lines = []
        for recorder in (halted, whole):
            taker.network.parameters.vector[...] = vectors[0]
            taker.restore(vectors[1])
            if recorder.wants(step):
                lines.append(record(taker, recorder))
            else:
                recorder.passed(taker.step(), taker.gradient_norm)
        assert lines[:1] == lines[1:]
        assert halted.losses == whole.losses


def test_the_state_of_another_network_is_refused() -> None:
    taker, recorder = stepper(*STACK), Recorder(100)
    record(taker, recorder)
    other = stepper(layer("dense", units=4), layer("relu"), layer("dense", units=3))
    with pytest.raises((KeyError, ValueError)):
        Recorder(100).restore(other.network, recorder.state())
