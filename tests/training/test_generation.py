"""Text that a network writes, from networks of which it is known what they write."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from bpcli.data import Preparation
from bpcli.data.codes import code_inputs
from bpcli.data.targets import CHARACTERS, Targets
from bpcli.data.windows import Windows
from bpcli.errors import DataError
from bpcli.network import Network
from bpcli.spec import layers as spec
from bpcli.spec.initializers import Identity, Values
from bpcli.spec.optimization import CrossEntropy
from bpcli.training.generation import generate

CHARACTERS_KNOWN = ("\n", "a", "b", "c")
WINDOW = 3


def preparation() -> Preparation:
    count = len(CHARACTERS_KNOWN)
    names, shape = ("character",), (WINDOW, count)
    targets = Targets(
        CHARACTERS, "cross_entropy", names, CHARACTERS_KNOWN, shape, "float32", None, True
    )
    return Preparation(code_inputs((WINDOW,), count), targets, Windows(WINDOW, 1, WINDOW, WINDOW))


def network(logits: list[list[float]]) -> Network:
    """The logits of the next character by the character before it."""
    weight = Values(tuple(map(tuple, logits)))
    layers = (spec.Embedding(4, vocabulary=4, init=Identity()), spec.Dense(4, init=weight))
    return Network(layers, CrossEntropy(), (WINDOW,))


ALPHABET = network((9 * np.roll(np.eye(4), 1, axis=1)).tolist())  # \n a b c \n a b c ...


def text(*arguments: object, **options: object) -> str:
    return "".join(generate(*arguments, **options))  # type: ignore[arg-type]


def test_the_most_likely_characters() -> None:
    assert text(ALPHABET, preparation(), "b", length=6, temperature=0) == "c\nabc\n"
    assert text(ALPHABET, preparation(), length=3, temperature=0) == "abc"  # after a line's end
    assert text(ALPHABET, preparation(), "aaaaaaab", length=2, temperature=0) == "c\n"


def test_characters_come_as_often_as_the_network_expects_them() -> None:
    chances = np.array([0.1, 0.2, 0.3, 0.4])
    drawn = network([np.log(chances).tolist()] * 4)
    for temperature in (1.0, 0.5):
        expected = chances ** (1 / temperature)
        expected /= expected.sum()
        counted = Counter(text(drawn, preparation(), length=4000, temperature=temperature, seed=1))
        found = np.array([counted[character] for character in CHARACTERS_KNOWN]) / 4000
        assert np.abs(found - expected).max() < 0.03  # four standard deviations


def test_same_seed_same_text() -> None:
    flat = network([[0.0] * 4] * 4)
    texts = [text(flat, preparation(), "a", length=40, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert all(map(len, texts))


def test_line_ends_of_a_prompt_are_those_of_a_text() -> None:
    for prompt in ("a\r\n", "a\r", "a\n"):
        assert text(ALPHABET, preparation(), prompt, length=3, temperature=0) == "abc"


@pytest.mark.parametrize("temperature", [1e-320, 1e-30, 0.0])
def test_a_tiny_temperature_is_none(temperature: float) -> None:
    assert text(ALPHABET, preparation(), "b", length=4, temperature=temperature) == "c\nab"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_expects_nothing_writes_nothing(value: float, temperature: float) -> None:
    broken = network([[0.0] * 4] * 4)
    broken.parameters["dense_1.weight"][:, 1] = value
    with pytest.raises(DataError, match=r"a finite number .* received (nan|inf)"):
        text(broken, preparation(), length=3, temperature=temperature)


def test_a_character_that_never_comes() -> None:
    silent = network([[0.0] * 4] * 4)
    silent.parameters["dense_1.bias"][1] = -np.inf
    assert set(text(silent, preparation(), length=60)) == set("\nbc")


def test_characters_come_one_by_one() -> None:
    endless = generate(ALPHABET, preparation(), "a", length=10**12, temperature=0)
    assert "".join(islice(endless, 5)) == "bc\nab"


def test_a_network_sees_no_more_than_an_example_of_its_training() -> None:
    """A learned position beyond the window would not be there."""
    layers = (spec.Embedding(4, vocabulary=4), spec.Position(), spec.Attention(2), spec.Dense(4))
    reader = Network(layers, CrossEntropy(), (WINDOW,))
    assert len(text(reader, preparation(), "abcabcabc", length=5)) == 5


def test_a_layer_that_needs_a_longer_prompt() -> None:
    layers = (spec.Embedding(4, vocabulary=4), spec.AvgPool1d(3, stride=1, padding="same"))
    reader = Network(layers, CrossEntropy(), (WINDOW,))
    assert len(text(reader, preparation(), "abc", length=5)) == 5
    with pytest.raises(DataError, match=r"windows of 3.* give a prompt of 3 characters or more"):
        text(reader, preparation(), "ab", length=5)


def test_what_cannot_be_gone_on_from() -> None:
    with pytest.raises(DataError, match=r"the prompt holds 'é', which the text .* 4 other"):
        generate(ALPHABET, preparation(), "aé", length=3)
    numbers = Preparation(code_inputs((3,), 4), Targets(
        "index", "cross_entropy", ("y",), ("1", "2"), (2,), "float32", None, False
    ))  # fmt: skip
    with pytest.raises(DataError, match="trained on text"):
        generate(ALPHABET, numbers, "a", length=3)
