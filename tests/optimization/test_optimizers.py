"""Optimizers against PyTorch's, and what they promise about the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.network import threads
from bpcli.optimization import make_optimizer
from bpcli.optimization import optimizer as optimizer_module
from bpcli.spec.optimization import OPTIMIZERS, Adam, AdamW

REFERENCE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "reference" / "optimizers.json").read_text(encoding="utf-8")
)
CASES = REFERENCE["optimizers"]
MANY = 10**9  # values
FORGOTTEN = optimizer_module._FORGOTTEN


def optimizer_of(case: str, size: int, dtype: str) -> Any:
    options = OPTIMIZERS[CASES[case]["name"]](**CASES[case]["options"])
    return make_optimizer(options, size, dtype)


@pytest.mark.parametrize("case", CASES)
def test_steps_are_pytorchs(case: str) -> None:
    parameters = np.array(REFERENCE["start"])
    optimizer = optimizer_of(case, parameters.size, "float64")
    for gradient, expected in zip(REFERENCE["gradients"], CASES[case]["path"], strict=True):
        optimizer.step(parameters, np.array(gradient), REFERENCE["learning_rate"])
        np.testing.assert_allclose(parameters, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("case", CASES)
def test_float32_steps_stay_float32_and_near(case: str) -> None:
    parameters = np.array(REFERENCE["start"], np.float32)
    optimizer = optimizer_of(case, parameters.size, "float32")
    for gradient in REFERENCE["gradients"]:
        optimizer.step(parameters, np.array(gradient, np.float32), REFERENCE["learning_rate"])
    assert all(moment.dtype == np.float32 for moment in optimizer.state.values())
    np.testing.assert_allclose(parameters, CASES[case]["path"][-1], rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_blocks_change_no_bit(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    start, gradients = random.standard_normal(1000), random.standard_normal((5, 1000))
    ends = []
    for block in (1 << 16, 64):  # 1000 is no multiple of 64: the last block is a short one
        monkeypatch.setattr(optimizer_module, "BLOCK", block)
        optimizer, parameters = optimizer_of(case, 1000, "float64"), start.copy()
        for gradient in gradients:
            optimizer.step(parameters, gradient, 0.01)
        ends.append(parameters)
    assert ends[0].tobytes() == ends[1].tobytes()
    assert not np.array_equal(ends[0], start)


@pytest.mark.parametrize("case", CASES)
def test_blocks_shared_among_threads_change_no_bit(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    start, gradient = random.normal(size=1000), random.normal(size=1000)
    monkeypatch.setattr(optimizer_module, "BLOCK", 64)
    found = []
    for shared in (False, True):
        optimizer, parameters = optimizer_of(case, 1000, "float64"), start.copy()
        if shared:
            optimizer.share = lambda work, blocks, _: threads.run(work, threads.parts(blocks, MANY))
        for _ in range(3):
            optimizer.step(parameters, gradient, 0.01)
        found.append(parameters)
    assert np.array_equal(*found)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_left_alone_and_nothing_is_replaced(case: str) -> None:
    optimizer = optimizer_of(case, 3, "float64")
    before = dict(optimizer.state)
    gradients = np.array([1.0, -2.0, 3.0])
    optimizer.step(np.zeros(3), gradients, 0.1)
    assert gradients.tolist() == [1.0, -2.0, 3.0]
    assert all(optimizer.state[name] is moment for name, moment in before.items())


@pytest.mark.parametrize("case", CASES)
def test_state_and_steps_are_all_there_is(case: str) -> None:
    random = np.random.default_rng(1)
    gradients = random.standard_normal((6, 20))
    whole, parameters = optimizer_of(case, 20, "float64"), np.ones(20)
    for gradient in gradients:
        whole.step(parameters, gradient, 0.01)

    first, second, again = optimizer_of(case, 20, "float64"), None, np.ones(20)
    for gradient in gradients[:3]:
        first.step(again, gradient, 0.01)
    second = optimizer_of(case, 20, "float64")
    second.steps = first.steps
    for name, moment in first.state.items():
        second.state[name][...] = moment
    for gradient in gradients[3:]:
        second.step(again, gradient, 0.01)
    assert again.tobytes() == parameters.tobytes()


@pytest.mark.parametrize("name", ["rmsprop", "adagrad", "adam", "adamw"])
def test_an_epsilon_below_the_precision_does_not_divide_zero_by_zero(name: str) -> None:
    optimizer = make_optimizer(OPTIMIZERS[name](epsilon=1e-60), 2, "float32")
    parameters = np.ones(2, np.float32)
    optimizer.step(parameters, np.array([0, 1], np.float32), 0.125)
    assert np.isfinite(parameters).all()
    assert parameters[1] < 1


def test_an_empty_vector_is_fine() -> None:
    optimizer = make_optimizer(OPTIMIZERS["adam"](), 0, "float32")
    optimizer.step(np.zeros(0, np.float32), np.zeros(0, np.float32), 0.1)
    assert optimizer.steps == 1


@pytest.mark.parametrize("case", CASES)
def test_what_has_decayed_is_forgotten_and_no_parameter_sees_it(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one gradient a thousand steps without: no moment is ever denormal for long."""
    ends = []
    for forgets in (True, False):
        if not forgets:
            monkeypatch.setattr(optimizer_module, "_FORGOTTEN", dict.fromkeys(FORGOTTEN, 0.0))
        optimizer = optimizer_of(case, 4, "float32")
        parameters = np.array([1e-3, -0.5, 2, 0], np.float32)
        optimizer.step(parameters, np.array([1, -1e-3, 1e-6, 0], np.float32), 0.01)
        denormal = 0
        for _ in range(1_500):
            optimizer.step(parameters, np.zeros(4, np.float32), 0.01)
            sums = np.abs(np.concatenate([[0], *optimizer.state.values()]))
            denormal += np.count_nonzero((sums > 0) & (sums < np.finfo(np.float32).tiny))
        assert denormal == 0 or not forgets
        ends.append(parameters)
    assert ends[0].tobytes() == ends[1].tobytes()


def test_adamw_without_decay_is_adam_also_to_an_observer() -> None:
    def end(options: Adam) -> tuple[list[float], list[float]]:
        optimizer, parameters, seen = make_optimizer(options, 3, "float64"), np.ones(3), []
        optimizer.step(parameters, np.array([1.0, -2.0, 3.0]), 0.1, lambda *b: seen.extend(b))
        return parameters.tolist(), seen[2].tolist()

    assert end(AdamW(weight_decay=0.0)) == end(Adam())


@pytest.mark.parametrize("case", CASES)
def test_what_is_observed_is_what_an_update_took_off(case: str) -> None:
    random = np.random.default_rng(0)
    parameters, seen = random.standard_normal(50), []
    optimizer = optimizer_of(case, 50, "float64")
    for gradient in random.standard_normal((3, 50)):
        before = parameters.copy()
        optimizer.step(parameters, gradient, 0.01, lambda *block: seen.append(block))
        start, after, change = seen.pop()
        assert (start, len(seen)) == (0, 0)
        np.testing.assert_array_equal(after, parameters)
        np.testing.assert_allclose(change, before - parameters, rtol=1e-9, atol=1e-15)
