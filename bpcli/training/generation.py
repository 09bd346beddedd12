"""Text that a trained network writes, character after character."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.data import Preparation
from bpcli.data.sources.text import encode
from bpcli.errors import DataError, ShapeError
from bpcli.network import Network
from bpcli.training.metrics import Array


def generate(
    network: Network,
    preparation: Preparation,
    prompt: str = "",
    *,
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """``length`` characters that go on from the prompt, each drawn from what the network expects.

    p(next) ∝ exp(logit / temperature): 1 as it was learned, lower is more cautious, 0 always takes
    the most likely. The network sees as many characters as an example of its training had, the
    last ones; without a prompt it begins after a line's end. Same seed, same text. Raises DataError
    on a run that was not trained on text, on characters that it does not know, on a prompt that is
    too short for a layer, and on a network whose outputs are not finite.
    """
    vocabulary = preparation.characters
    if vocabulary is None:
        raise DataError("only a network that was trained on text (`sequence_length`) can write")
    codes = _codes(prompt or _opening(vocabulary), vocabulary)
    return _continue(network, vocabulary, codes, length, temperature, default_rng(seed))


def _continue(
    network: Network,
    vocabulary: tuple[str, ...],
    codes: list[int],
    length: int,
    temperature: float,
    random: Generator,
) -> Iterator[str]:
    (window,) = network.chain.input_shape
    for _ in range(length):
        codes.append(_draw(_logits(network, codes[-window:]), temperature, random))
        yield vocabulary[codes[-1]]


def _logits(network: Network, codes: list[int]) -> Array:
    """Of the character after these."""
    try:
        with np.errstate(all="ignore"):  # seen right below
            logits: Array = network.predict(np.array([codes]))[0, -1].astype(np.float64)
    except ShapeError as error:  # of a layer that cannot read less than in training
        (window,) = network.chain.input_shape
        raise DataError(f"{error}: give a prompt of {window} characters or more") from None
    if not np.isfinite(logits.max()):  # -inf for some is well: they never come
        raise DataError(
            f"the network must expect the next character, a finite number for the most likely, "
            f"received {logits.max():g}: its training did not go well; see what diagnose says of it"
        )
    return logits


def _draw(logits: Array, temperature: float, random: Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    with np.errstate(over="ignore"):  # at a tiny temperature all others are infinitely less likely
        chances = np.exp((logits - logits.max()) / temperature)
    return int(random.choice(len(chances), p=chances / chances.sum()))


def _codes(text: str, vocabulary: tuple[str, ...]) -> list[int]:
    """Line ends are one character, as in the text that was trained on."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    codes: list[int] = encode(text, vocabulary).tolist()
    if -1 in codes:
        raise DataError(
            f"the prompt holds {text[codes.index(-1)]!r}, which the text that was trained on does "
            f"not; it has {len(vocabulary)} other characters"
        )
    return codes


def _opening(vocabulary: tuple[str, ...]) -> str:
    return "\n" if "\n" in vocabulary else vocabulary[0]
