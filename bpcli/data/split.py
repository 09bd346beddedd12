"""Splits: which examples train, which are held back."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator, default_rng

from bpcli.data.sources import OptionError
from bpcli.data.sources.source import Array
from bpcli.spec.data import Split

_SPLIT = 100  # the stream of random numbers that is the splits' own


def split_rows(
    rows: Array, split: Split, seed: int, classes: Array | None = None
) -> dict[str, Array]:
    """The rows of "train", "validation" and "test": disjoint, complete, each in the data's order.

    With ``classes``, a class number for each row, every class is split in the same shares, to
    within an example or so, and keeps an example in the training part.
    """
    shares = {"test": split.test, "validation": split.validation}
    if sum(shares.values()) >= 1:
        raise OptionError(
            "split", f"the shares of `split` add up to {sum(shares.values()):g}; nothing is left"
        )
    random = default_rng([seed, _SPLIT])
    left = np.arange(len(rows))
    parts: dict[str, Array] = {}
    for name, share in shares.items():
        count = round(share * len(rows))
        if share and not 0 < count < len(left):
            raise OptionError(
                "split",
                f"`split: {{{name}: {share:g}}}` of {len(rows)} examples is {count}; each part "
                "needs an example or more",
            )
        chosen = _choose(left, count, random, classes)
        parts[name] = rows[chosen]
        left = np.setdiff1d(left, chosen, assume_unique=True)
    return {"train": rows[left]} | {name: part for name, part in parts.items() if len(part)}


def split_in_order(count: int, split: Split) -> dict[str, tuple[int, int]]:
    """(first row, row after the last) of each part, in time order: train, validation, test."""
    sizes = {"validation": round(split.validation * count), "test": round(split.test * count)}
    bounds, begin = {}, 0
    for name, size in {"train": count - sum(sizes.values()), **sizes}.items():
        if size:
            bounds[name] = (begin, begin + size)
        elif name == "train" or getattr(split, name):
            raise OptionError("split", f"`split` leaves the {name} part of {count:,} rows empty")
        begin += size
    return bounds


def _choose(left: Array, count: int, random: Generator, classes: Array | None) -> Array:
    """``count`` of these positions, sorted."""
    shuffled = random.permutation(left)
    if classes is None or not count:
        return np.sort(shuffled[:count])
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    _, firsts = np.unique(classes[by_class], return_index=True)
    free = np.delete(by_class, firsts)  # the first of each class stays in training
    if count > len(free):
        raise OptionError(
            "split",
            f"{count} examples cannot be held back: each class must keep an example to train on, "
            f"and only {len(free)} are beyond that",
        )
    # evenly spaced places in the order of the classes take the same share of each
    places = np.floor((np.arange(count) + random.random()) * len(free) / count).astype(int)
    return np.sort(free[np.minimum(places, len(free) - 1)])
