"""What the check reports besides right and wrong."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import bpcli
from bpcli.gradcheck import NonFiniteForward, Result, check, quick_check
from bpcli.network import Network
from bpcli.network.layers import Dense, Relu, Tanh
from bpcli.spec import layers as spec
from bpcli.spec.initializers import Constant, Normal
from bpcli.spec.optimization import CrossEntropy, MeanSquaredError

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.standard_normal((16, 6))
CLASSES = RANDOM.integers(0, 3, 16)


def checked(*layers: Any, inputs: Any = INPUTS, l2: float = 0.0, **options: Any) -> Result:
    network = Network((*layers, spec.Dense(3)), CrossEntropy(), inputs.shape[1:], l2=l2)
    return check(network, inputs, CLASSES, **options)


def test_every_element_is_counted() -> None:
    result = checked(spec.Dense(5), spec.Tanh())
    assert [(p.name, p.shape, p.checked) for p in result.parameters] == [
        ("dense_1.weight", (6, 5), 30),
        ("dense_1.bias", (5,), 5),
        ("dense_2.weight", (5, 3), 15),
        ("dense_2.bias", (3,), 3),
    ]
    assert result.inputs is not None
    assert result.inputs.shape == (8, 6)
    assert result.checked == 53
    assert result.conditions == (
        "as it starts, batch of 8",
        "random biases and scales, batch of 7, l2 0.01",
    )
    assert 0 < result.backpropagation_seconds < result.numerical_seconds < result.seconds


def test_the_json_is_that_of_the_contract() -> None:
    document = checked(spec.Dense(5), spec.Tanh()).as_json()
    assert {"verdict", "method", "seconds", "max_relative_error", "parameters"} <= set(document)
    for parameter in document["parameters"]:
        assert {
            "name", "shape", "checked", "max_relative_error", "worst", "verdict", "hint",
        } <= set(parameter)  # fmt: skip
        assert set(parameter["worst"]) == {"index", "analytic", "numeric"}


def test_quick_takes_projections_alone() -> None:
    result = checked(spec.Dense(5), spec.Tanh(), mode="quick")
    assert result.verdict == "pass"
    assert not result.every_element
    assert {p.checked for p in result.parameters} == {0}
    assert all(p.projections for p in result.parameters)


def test_what_takes_too_long_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["bpcli.gradcheck.check"], "LONGEST", 0.0)
    result = checked(spec.Dense(5), spec.Tanh())
    assert result.verdict == "pass"
    assert not result.every_element
    assert 0 < result.parameters[0].checked <= 16
    everything = checked(spec.Dense(5), spec.Tanh(), mode="all")
    assert everything.every_element


class Negated(Dense):
    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["weight"][...] *= -1
        return given


@pytest.mark.parametrize("mode", ["auto", "quick", "all"])
def test_every_mode_sees_and_names_a_mistake(mode: Any) -> None:
    result = checked(Negated(5), spec.Tanh(), mode=mode)
    assert result.verdict == "fail"
    assert result.parameters[0].hint == "sign flipped"
    assert [fault.layer for fault in result.faults] == ["dense_1"]


class HalfTanh(Tanh):
    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return 0.5 * super().backward(cache, output_gradient, parameters, gradients)


def test_layers_before_a_wrong_one_are_not_blamed() -> None:
    result = checked(spec.Dense(5), spec.Relu(), spec.Dense(5), HalfTanh())
    assert [(fault.layer, fault.gradient) for fault in result.faults] == [("tanh_1", "inputs")]
    by_name = {p.name: p for p in result.parameters}
    assert by_name["dense_3.weight"].verdict == "pass"
    for name in ("dense_1.weight", "dense_2.weight", "dense_2.bias"):
        assert by_name[name].verdict == "fail"
        assert by_name[name].blamed == "tanh_1"
        assert "right by itself" in by_name[name].hint


def test_two_wrong_layers_are_both_named() -> None:
    result = checked(Negated(5), spec.Relu(), spec.Dense(5), HalfTanh())
    assert {fault.layer: fault.hint for fault in result.faults} == {
        "dense_1": "sign flipped",
        "tanh_1": "a factor of 2 is missing (½)",
    }


def test_a_bias_before_batch_norm_is_zero_to_rounding() -> None:
    result = checked(spec.Dense(5), spec.BatchNorm(), spec.Tanh())
    bias = next(p for p in result.parameters if p.name == "dense_1.bias")
    assert (bias.verdict, bias.note) == ("pass", "zero to rounding")
    assert bias.max_relative_error < 1e-12


class ForgetsBatchMean(Dense):
    """Not zero where it has to be: what a wrong layer after it would do."""

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        given = super().backward(cache, output_gradient, parameters, gradients)
        gradients["bias"][...] += 1e-9 * np.abs(gradients["weight"]).max()
        return given


def test_what_should_be_zero_and_is_not_fails() -> None:
    result = checked(ForgetsBatchMean(5), spec.BatchNorm(), spec.Tanh())
    wrong = [p.name for p in result.parameters if p.verdict != "pass"]
    assert wrong == ["dense_1.bias"]


def test_dead_networks_pass_with_exact_zeros() -> None:
    dead = spec.Dense(5, bias=Constant(-100.0))
    network = Network((dead, spec.Relu(), spec.Dense(3, init=Normal(1.0))), CrossEntropy(), (6,))
    result = check(network, INPUTS, CLASSES)
    assert result.verdict == "pass"


def test_units_at_a_kink_are_listed() -> None:
    inputs = INPUTS.copy()
    inputs[:8] = 0  # and biases start at zero: every unit is at 0
    result = checked(spec.Dense(5), spec.Relu(), inputs=inputs)
    assert result.verdict == "pass"
    assert [(kink.layer, kink.count, kink.within) for kink in result.kinks] == [
        ("relu_1", 40, True)
    ]


def test_ties_in_pooling_are_listed() -> None:
    inputs = RANDOM.integers(0, 2, (16, 6, 2)).astype(float)
    result = checked(spec.MaxPool1d(2), spec.Flatten(), inputs=inputs)
    assert result.verdict == "pass"
    assert result.kinks[0].layer == "max_pool1d_1"
    assert result.kinks[0].within


class DoubledAtKinks(Relu):
    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        outputs, _ = super().forward(inputs, parameters, training=training, random=random)
        return outputs, inputs

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return output_gradient * np.where(cache == 0, 2.0, cache > 0)


def test_a_gradient_outside_the_one_sided_ones_fails() -> None:
    inputs = INPUTS.copy()
    inputs[:8] = 0
    result = checked(spec.Dense(5), DoubledAtKinks(), inputs=inputs)
    assert result.verdict == "fail"
    assert not result.kinks[0].within


class Absolute(bpcli.Layer):
    """Not analytic: np.abs of a complex number is real."""

    name = "absolute"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        return np.abs(inputs), inputs

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return output_gradient * np.sign(cache)


class RealOnly(Absolute):
    """Raises on complex numbers."""

    name = "real_only"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        return np.logaddexp(inputs, 0), inputs

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return output_gradient / (1 + np.exp(-cache))


class IntoRealArray(Absolute):
    """Loses the imaginary part on the way."""

    name = "into_real_array"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        outputs = np.zeros(inputs.shape)
        outputs[...] = inputs * inputs
        return outputs, inputs

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return output_gradient * 2 * cache


NOT_ANALYTIC = [Absolute, RealOnly, IntoRealArray]


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("kind", NOT_ANALYTIC)
def test_a_forward_that_is_not_analytic_is_noticed(kind: Any) -> None:
    result = checked(spec.Dense(5), kind(), spec.Dense(4), spec.Tanh())
    assert result.verdict == "pass"
    assert result.notes[0].startswith(f"{kind.name}_1: ")
    assert "central differences" in result.notes[1]
    assert result.max_relative_error < 1e-7


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("kind", NOT_ANALYTIC)
def test_and_wrong_gradients_are_caught_there_too(kind: Any) -> None:
    class Wrong(kind):  # type: ignore[misc]
        def backward(self, *arguments: Any) -> Any:
            return -super().backward(*arguments)

    result = checked(spec.Dense(5), Wrong(), spec.Dense(4), spec.Tanh())
    assert [(fault.layer, fault.hint) for fault in result.faults] == [
        (f"{kind.name}_1", "sign flipped")
    ]


def test_the_network_adds_the_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Network.backward

    def without_penalty(self: Network, output_gradient: Any) -> Any:
        l2, self.l2 = self.l2, 0.0
        try:
            return right(self, output_gradient)
        finally:
            self.l2 = l2

    monkeypatch.setattr(Network, "backward", without_penalty)
    result = checked(spec.Dense(5), spec.Tanh(), l2=0.1)
    assert result.verdict == "fail"
    assert result.faults == ()
    hints = {p.name: p.hint for p in result.parameters if p.verdict == "fail"}
    assert set(hints) == {"dense_1.weight", "dense_2.weight"}
    assert all("l2 penalty (0.1) is missing" in hint for hint in hints.values())


def test_a_doubled_penalty_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Network.backward

    def doubled(self: Network, output_gradient: Any) -> Any:
        l2, self.l2 = self.l2, 2 * self.l2
        try:
            return right(self, output_gradient)
        finally:
            self.l2 = l2

    monkeypatch.setattr(Network, "backward", doubled)
    result = checked(spec.Dense(5), spec.Tanh(), l2=0.1)
    hints = [p.hint for p in result.parameters if p.verdict == "fail"]
    assert hints
    assert all("counted twice (doubled)" in hint for hint in hints)


class WrongInSingle(Dense):
    """Right in float64, which is checked; wrong in float32, which trains."""

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        given = super().backward(cache, output_gradient, parameters, gradients)
        if output_gradient.dtype == np.float32:
            gradients["weight"][...] *= 1.1
        return given


def test_the_path_that_trains_is_held_to_the_one_that_was_checked() -> None:
    result = checked(spec.Dense(5), spec.Tanh())
    assert result.training_path is not None
    assert result.training_path.agrees
    assert 0 < result.training_path.max_relative_error < 1e-5
    wrong = checked(WrongInSingle(5), spec.Tanh())
    assert wrong.verdict == "fail"
    assert wrong.training_path is not None
    assert not wrong.training_path.agrees
    assert wrong.training_path.worst == "dense_1.weight"


class Nondeterministic(Absolute):
    name = "nondeterministic"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        factor = np.random.default_rng().uniform(1, 2)
        return inputs * factor, factor

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return output_gradient * cache


def test_a_layer_with_numbers_of_its_own_is_told() -> None:
    result = checked(spec.Dense(5), Nondeterministic())
    assert result.verdict == "fail"
    assert any("other outputs for the same inputs" in fault.message for fault in result.faults)


class Raises(Absolute):
    name = "raises"

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return cache["missing"]


class WrongShape(Absolute):
    name = "wrong_shape"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        return inputs[:, :-1], inputs


class NoCache(Absolute):
    name = "no_cache"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        return inputs * 2


class WrongGradientShape(Absolute):
    name = "wrong_gradient_shape"

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return output_gradient.sum(axis=0)


class GivesNothing(Absolute):
    name = "gives_nothing"

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("kind", "method", "message"),
    [
        (Raises, "backward", "IndexError"),
        (WrongShape, "forward", "must give outputs of shape (8, 5), gave (8, 4)"),
        (NoCache, "forward", "ValueError"),
        (WrongGradientShape, "backward", "of shape (8, 5), gave (5,)"),
        (GivesNothing, "backward", "returned None"),
    ],
)
def test_code_that_fails_is_a_failure_of_its_layer(kind: Any, method: str, message: str) -> None:
    result = checked(spec.Dense(5), kind())
    assert result.verdict == "fail"
    assert result.failure is not None
    assert (result.failure.layer, result.failure.method) == (f"{kind.name}_1", method)
    assert message in result.failure.message
    assert result.failure.file.endswith("test_check.py")
    assert result.failure.line > 0


def test_a_forward_pass_that_is_not_finite_is_an_error() -> None:
    network = Network((spec.Dense(5, init=Normal(1e3)), spec.Exponential(), spec.Dense(3)),
                      CrossEntropy(), (6,))  # fmt: skip
    with pytest.raises(NonFiniteForward, match="first in exponential_1"):
        check(network, INPUTS, CLASSES)
    assert quick_check(network, INPUTS, CLASSES) == ()


def test_the_quick_check_names_the_wrong_layer() -> None:
    network = Network((Negated(5), spec.Tanh(), spec.Dense(3)), CrossEntropy(), (6,))
    assert [fault.layer for fault in quick_check(network, INPUTS, CLASSES)] == ["dense_1"]
    right = Network((spec.Dense(5), spec.Tanh(), spec.Dense(3)), CrossEntropy(), (6,))
    assert quick_check(right, INPUTS, CLASSES) == ()


def test_one_example_is_enough() -> None:
    network = Network((spec.Dense(5), spec.Tanh(), spec.Dense(2)), MeanSquaredError(), (6,))
    result = check(network, INPUTS[:1], np.zeros((1, 2)))
    assert result.verdict == "pass"
    assert result.conditions[0] == "as it starts, batch of 1"


def test_a_noisy_method_is_inconclusive_not_wrong() -> None:
    """By central differences a gradient that is lost in their noise proves nothing."""
    from bpcli.gradcheck.comparison import compare
    from bpcli.gradcheck.numerical import Slope

    noise = Slope(np.full(3, 1e-9), np.full(3, 1e-8))
    found = compare(np.full(3, 2e-9), noise, floor=1e-16, exact=False, scale=1e-2)
    assert found.verdict == "inconclusive"
    zero = compare(np.full(3, 1e-18), replace_noise(noise), floor=1e-16, exact=False, scale=1e-2)
    assert zero.verdict == "pass"


def replace_noise(slope: Any) -> Any:
    return slope._replace(noise=np.full(3, 1e-9 + 1e-12))


def test_a_network_may_be_given_in_any_precision() -> None:
    for dtype in ("float32", "float64"):
        network = Network((spec.Dense(3),), CrossEntropy(), (6,), dtype=dtype)
        path = check(network, INPUTS.astype(dtype), CLASSES).training_path
        assert path is not None
        assert (path.dtype, path.agrees) == (dtype, True)


class OneWay(bpcli.Layer):
    """The last feature depends on all, the others on themselves: few of all pairs mix."""

    name = "one_way"

    def forward(self, inputs: Any, parameters: Any, *, training: bool, random: Any) -> Any:
        outputs = inputs.copy()
        outputs[:, -1] = outputs[:, -1] + outputs[:, 0] * outputs[:, 1]
        return outputs, inputs

    def backward(self, cache: Any, output_gradient: Any, parameters: Any, gradients: Any) -> Any:
        given = output_gradient.copy()
        given[:, 0] += output_gradient[:, -1] * cache[:, 1]
        given[:, 1] += output_gradient[:, -1] * cache[:, 0]
        return given


@pytest.mark.parametrize("width", [3, 8, 33])
def test_few_elements_that_mix_are_found(width: int) -> None:
    result = checked(spec.Dense(width), OneWay(), spec.Tanh())
    assert result.verdict == "pass"
    assert result.max_relative_error < 1e-12
