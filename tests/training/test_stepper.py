"""One update: batches, clipping, accumulation, and what is not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bpcli.network import Network
from bpcli.spec.model import Spec
from bpcli.spec.optimization import OPTIMIZERS, SCHEDULES
from bpcli.training import Stepper
from bpcli.training.screening import NonFiniteError

from .support import MemoryPart, layer, make_network, make_spec, part

SGD = OPTIMIZERS["sgd"](0.1)


def make_stepper(spec: Spec, data: MemoryPart | None = None) -> Stepper:
    data = part(21, 1, spec.dtype) if data is None else data
    return Stepper(spec, data, make_network(spec, data.inputs.shape[1]))


def seen_by(stepper: Stepper) -> list[tuple[int, np.ndarray, float]]:
    """(examples, targets, loss) of each batch from now on."""
    seen: list[tuple[int, np.ndarray, float]] = []

    def look(outputs: np.ndarray, targets: np.ndarray, loss: float) -> None:
        seen.append((len(outputs), targets.copy(), loss))

    stepper.on_batch = look
    return seen


# batches and epochs


def test_an_epoch_takes_every_example_once_and_the_last_batch_is_short() -> None:
    data = part(21, 1)
    data.targets = np.arange(21) % 3
    stepper = make_stepper(make_spec(optimizer=SGD), data)
    seen = seen_by(stepper)
    for step in range(1, 13):
        stepper.step()
        assert stepper.examples == (1 if step % 6 == 0 else 4)
        assert stepper.epoch_of(step) == (step + 5) // 6
    assert [count for count, _, _ in seen] == [4, 4, 4, 4, 4, 1] * 2
    assert stepper.total_steps == 12


def test_every_epoch_has_another_order_from_the_seed() -> None:
    def orders(seed: int, **training: Any) -> list[list[int]]:
        stepper = make_stepper(make_spec(optimizer=SGD, seed=seed, batch_size=21, **training))
        found = []
        for _ in range(3):
            stepper.step()
            order = stepper.batches.order
            found.append([] if order is None else order.tolist())
        return found

    first = orders(0)
    assert all(sorted(order) == list(range(21)) for order in first)
    assert first[0] != first[1] != first[2]
    assert orders(0) == first
    assert orders(1) != first
    assert orders(0, shuffle=False) == [[], [], []]


def test_unshuffled_batches_are_the_rows_as_they_stand() -> None:
    data = part(10, 1)
    stepper = make_stepper(make_spec(optimizer=SGD, batch_size=3, shuffle=False), data)
    seen = seen_by(stepper)
    for _ in range(4):
        stepper.step()
    assert np.concatenate([targets for _, targets, _ in seen]).tolist() == data.targets.tolist()


# the gradient that is applied


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_a_step_is_the_gradient_of_the_loss_it_returns(l2: float) -> None:
    spec = make_spec(optimizer=SGD, dtype="float64", l2=l2, batch_size=21, shuffle=False)
    stepper, twin = make_stepper(spec), make_network(spec)
    data = part(21, 1, "float64")
    loss, gradients = twin.loss_and_gradients(data.inputs, data.targets)
    expected = twin.parameters.vector - 0.1 * gradients.vector
    assert stepper.step() == pytest.approx(loss, rel=1e-15)
    np.testing.assert_allclose(stepper.network.parameters.vector, expected, rtol=1e-14)
    norm = float(np.linalg.norm(gradients.vector))
    assert stepper.gradient_norm == pytest.approx(norm, rel=1e-14)


def test_the_batch_that_is_shown_has_its_loss_without_penalty() -> None:
    spec = make_spec(optimizer=SGD, l2=0.5, dtype="float64")
    stepper = make_stepper(spec)
    seen = seen_by(stepper)
    penalty = stepper.network.penalty()
    assert stepper.step() - penalty == pytest.approx(seen[0][2], rel=1e-12)
    assert penalty > 0.1


@pytest.mark.parametrize(("batch_size", "accumulate"), [(3, 7), (7, 3), (4, 6), (5, 5), (20, 2)])
def test_accumulated_batches_are_one_large_batch(batch_size: int, accumulate: int) -> None:
    """Also where they differ in size: each is weighted by its examples."""

    def run(batch_size: int, accumulate: int) -> tuple[Stepper, list[float]]:
        spec = make_spec(
            optimizer=OPTIMIZERS["adam"](0.02),
            schedule=SCHEDULES["cosine"](),
            dtype="float64",
            epochs=3,
            l2=0.1,
            clip_norm=0.5,
            batch_size=batch_size,
            accumulate=accumulate,
        )
        stepper = make_stepper(spec)
        return stepper, [stepper.step() for _ in range(stepper.total_steps)]

    whole, losses = run(21, 1)
    portions, losses_of_portions = run(batch_size, accumulate)
    assert whole.total_steps == portions.total_steps == 3
    assert portions.examples == 21
    np.testing.assert_allclose(losses_of_portions, losses, rtol=1e-12)
    assert portions.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-11)
    np.testing.assert_allclose(
        portions.network.parameters.vector, whole.network.parameters.vector, rtol=1e-9
    )


def test_the_end_of_an_epoch_ends_an_accumulation() -> None:
    stepper = make_stepper(make_spec(optimizer=SGD, accumulate=4))  # six batches an epoch
    seen = seen_by(stepper)
    examples = []
    for _ in range(4):
        stepper.step()
        examples.append(stepper.examples)
    assert stepper.steps_per_epoch == 2
    assert examples == [16, 5, 16, 5]
    assert len(seen) == 12


def test_frozen_parameters_keep_their_bits() -> None:
    """Whatever pulls at them: momentum, weight decay, l2, clipping, accumulation."""
    spec = make_spec(
        layer("dense", units=5, freeze=("weight",)),
        layer("batch_norm", freeze=("shift",)),
        layer("tanh"),
        layer("dense", units=3, bias={"constant": 0.25}, freeze=("bias",)),
        optimizer=OPTIMIZERS["adamw"](0.1, weight_decay=0.5),
        l2=0.3,
        clip_value=0.1,
        accumulate=2,
        batch_size=5,
        epochs=4,
    )
    stepper = make_stepper(spec, part(20, 1))
    before = {name: view.copy() for name, view in stepper.network.parameters.items()}
    for _ in range(stepper.total_steps):
        stepper.step()
    frozen = {"dense_1.weight", "batch_norm_1.shift", "dense_2.bias"}
    for name, view in stepper.network.parameters.items():
        assert (view.tobytes() == before[name].tobytes()) == (name in frozen), name


def test_a_step_makes_no_new_arrays() -> None:
    """Vectors, moments and buffers are the same objects after any number of steps."""
    spec = make_spec(
        layer("dense", units=8),
        layer("batch_norm"),
        layer("relu"),
        layer("dropout", rate=0.2),
        layer("dense", units=3),
        batch_size=7,
    )
    stepper = make_stepper(spec)

    def objects() -> list[Any]:
        network = stepper.network
        vectors = (network.parameters, network.gradients, network.state)
        owners = [*(node.layer for node in network.nodes), network.loss]
        buffers = [array for owner in owners for array in vars(owner)["_buffers"].values()]
        moments = stepper.optimizer.state.values()
        return [id(array) for array in (*(v.vector for v in vectors), *moments, *buffers)]

    stepper.step()
    first = objects()
    for _ in range(5):
        stepper.step()
    assert objects() == first


# clipping


def test_the_norm_that_is_reported_is_the_one_before_clipping() -> None:
    options = {"optimizer": SGD, "dtype": "float64", "batch_size": 21, "shuffle": False}
    free = make_stepper(make_spec(**options))
    clipped = make_stepper(make_spec(**options, clip_norm=0.01))
    start = free.network.parameters.vector.copy()
    free.step()
    clipped.step()
    assert clipped.gradient_norm == free.gradient_norm > 0.01
    moved = clipped.network.parameters.vector - start
    assert np.linalg.norm(moved) == pytest.approx(0.1 * 0.01, rel=1e-12)
    # the direction stays
    free_moved = free.network.parameters.vector - start
    np.testing.assert_allclose(
        moved / np.linalg.norm(moved), free_moved / np.linalg.norm(free_moved), atol=1e-10
    )


def test_clipped_elements_stay_within_the_value() -> None:
    options = {"optimizer": SGD, "dtype": "float64", "batch_size": 21}
    stepper = make_stepper(make_spec(**options, clip_value=0.05))
    free = make_stepper(make_spec(**options))
    free.step()
    stepper.step()
    assert stepper.gradient_norm == free.gradient_norm
    expected = np.clip(free.network.gradients.vector, -0.05, 0.05)
    np.testing.assert_array_equal(stepper.network.gradients.vector, expected)
    assert np.abs(expected).max() == 0.05


# what is not finite


def failure(stepper: Stepper, steps: int = 50) -> tuple[Any, list[np.ndarray]]:
    """What the run stopped on, and the parameters after each step that went well."""
    kept = [stepper.network.parameters.vector.copy()]

    def go() -> None:
        for _ in range(steps):
            stepper.step()
            kept.append(stepper.network.parameters.vector.copy())

    with np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        go()
    return caught.value.found, kept


def poisoned(row: int, value: float) -> MemoryPart:
    data = part(21, 1)
    data.inputs[row, 0] = value
    return data


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_the_first_activation_that_is_not_finite_is_named(value: float) -> None:
    spec = make_spec(optimizer=SGD, shuffle=False)
    stepper = make_stepper(spec, poisoned(9, value))  # in the third batch of four
    found, kept = failure(stepper)
    assert (found.step, found.epoch) == (3, 1)
    assert (found.quantity, found.layer) == ("activation", "dense_1")
    assert "step 3 (epoch 1)" in found.message
    # nothing was updated by that step
    assert len(kept) == 3
    assert stepper.steps == 2
    assert np.array_equal(stepper.network.parameters.vector, kept[-1])


def test_the_layer_that_overflows_is_named_not_the_loss_it_reaches() -> None:
    spec = make_spec(
        layer("dense", units=4, init={"constant": 1e3}),
        layer("exponential"),
        layer("dense", units=3),
        optimizer=SGD,
    )
    found, _ = failure(make_stepper(spec))
    assert (found.step, found.quantity, found.layer) == (1, "activation", "exponential_1")


class Broken(Network):
    """A network whose gradient is not finite from some call on, while its loss is."""

    calls, bad, value = 0, 3, math.inf

    def backward(self, output_gradient: np.ndarray) -> np.ndarray | None:
        self.calls += 1
        result = super().backward(output_gradient)
        if self.calls >= self.bad:
            self.gradients["dense_1.weight"][0, 0] = self.value
        return result


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_changes_nothing(value: float) -> None:
    spec = make_spec(optimizer=SGD, clip_norm=1.0)
    network = Broken(spec.network, spec.loss, (2,))
    network.value = value
    stepper = Stepper(spec, part(21, 1), network)
    found, kept = failure(stepper)
    assert (found.step, found.quantity) == (3, "gradient")
    assert (found.layer, found.parameter) == ("dense_1", "dense_1.weight")
    assert np.array_equal(network.parameters.vector, kept[-1])


def regression(value: float, count: int = 21) -> MemoryPart:
    """Three targets, all of that value."""
    return MemoryPart(part(count, 1).inputs, np.full((count, 3), value, np.float32))


def constant(value: float, units: int = 3) -> Any:
    return layer("dense", units=units, init={"constant": value}, bias=False)


def test_a_gradient_that_overflows_on_its_way_back_is_found_where_it_does() -> None:
    """Forward the signal is 1e-30, 1e-10 and 1e10; back the gradient is 1e9, 1e29 and 1e49."""
    layers = (constant(1e-30), constant(1e20), constant(1e20))
    stepper = make_stepper(make_spec(*layers, optimizer=SGD, loss="mse"), regression(0))
    found, kept = failure(stepper)
    assert (found.step, found.quantity, found.layer) == (1, "gradient", "dense_2")
    assert np.array_equal(stepper.network.parameters.vector, kept[-1])


def test_a_parameters_gradient_that_overflows_is_named() -> None:
    """Activations are 1e30, 2 and 6e20, the gradients by them at most 3e20; ∂L/∂W is x δ, 1e50."""
    data = regression(0)
    data.inputs = np.full_like(data.inputs, 1e30)
    layers = (constant(1e-30), constant(1e20))
    found, _ = failure(make_stepper(make_spec(*layers, optimizer=SGD, loss="mae"), data))
    assert (found.step, found.quantity) == (1, "gradient")
    assert (found.layer, found.parameter) == ("dense_1", "dense_1.weight")


def test_a_loss_whose_gradient_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stepper = make_stepper(make_spec(optimizer=SGD, loss="mse"), regression(1))
    loss = stepper.network.loss
    whole = loss.backward
    monkeypatch.setattr(type(loss), "backward", lambda self, cache: whole(cache) * np.inf)
    found, _ = failure(stepper)
    assert (found.step, found.quantity, found.layer) == (1, "gradient", "mse")


def test_a_penalty_that_overflows_is_the_losss() -> None:
    """½ l2 ‖W‖² of weights of 1e25 is infinite in float32; its gradient l2 W is not."""
    layers = (constant(1e25), constant(0.0))
    found, _ = failure(make_stepper(make_spec(*layers, optimizer=SGD, loss="mse", l2=1.0)
                                    , regression(1)))  # fmt: skip
    assert (found.step, found.quantity, found.layer, found.parameter) == (1, "loss", None, None)


def test_an_update_out_of_range_is_found_in_its_parameter() -> None:
    spec = make_spec(constant(0.0), optimizer=OPTIMIZERS["sgd"](3e38), loss="mse")
    found, _ = failure(make_stepper(spec, regression(100)))
    assert (found.step, found.quantity, found.parameter) == (1, "parameter", "dense_1.weight")


def test_a_running_mean_out_of_range_is_found_in_the_state() -> None:
    """Of values near 1e20 the variance overflows, though batch_norm's outputs are finite."""
    layers = (constant(1e20), layer("batch_norm"), layer("dense", units=3))
    found, _ = failure(make_stepper(make_spec(*layers, optimizer=SGD, batch_size=7)))
    assert (found.step, found.quantity) == (1, "state")
    assert (found.layer, found.parameter) == ("batch_norm_1", "batch_norm_1.running_variance")


def test_an_infinite_moment_is_found_in_the_optimizer() -> None:
    """The square of a gradient of 1e21 is infinite in float32, and would stop its parameter."""
    spec = make_spec(constant(0.0), optimizer=OPTIMIZERS["adam"](0.1), loss="mse")
    data = regression(1e19)
    data.inputs *= 100
    found, _ = failure(make_stepper(spec, data))
    assert (found.step, found.quantity, found.layer) == (1, "optimizer", "dense_1")


def test_a_diverging_run_stops_before_its_loss_is_infinite() -> None:
    """A linear network under a rate beyond 2 / curvature: the loss grows without bound."""
    layers = (layer("dense", units=3), layer("dense", units=3))
    spec = make_spec(*layers, optimizer=OPTIMIZERS["sgd"](10.0), loss="mse")
    stepper = make_stepper(spec, regression(1))
    found, kept = failure(stepper)
    assert 2 < found.step == stepper.steps + 1
    assert np.isfinite(kept[-1]).all()
    assert np.array_equal(stepper.network.parameters.vector, kept[-1])


def test_the_search_draws_the_dropout_of_the_step_that_failed() -> None:
    """With other masks it would often find nothing: one row alone overflows, unless dropped."""
    layers = (layer("dropout", rate=0.5), constant(1.0), layer("exponential"), constant(0.1))
    failed = 0
    for seed in range(20):
        data = part(21, seed)
        data.inputs[10] = 100.0
        stepper = make_stepper(
            make_spec(*layers, optimizer=SGD, batch_size=7, seed=seed, epochs=1), data
        )
        try:
            with np.errstate(all="ignore"):
                for _ in range(3):
                    stepper.step()
        except NonFiniteError as error:
            failed += 1
            found = error.found
            assert (found.quantity, found.layer) == ("activation", "exponential_1")
    assert 5 < failed < 20
