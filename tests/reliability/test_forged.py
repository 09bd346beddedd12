"""Checkpoints whose digest is right, but not what stands in them: somebody wrote them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcli.training import checkpoint
from reliability.fuzz import ODD, a_run, say

Place = tuple[str, ...]


def places(tree: dict[str, Any], above: Place = ()) -> Iterator[Place]:
    for name, value in tree.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


def another(value: Any, chance: random.Random) -> Any:
    """An array of another shape, kind or content, or something else altogether."""
    if isinstance(value, np.ndarray) and chance.random() < 0.85:
        return chance.choice(
            [value[:-1], np.concatenate([value.reshape(-1)] * 2), value.astype(np.int64),
             np.full(value.shape, np.nan), value.reshape(1, -1), value.astype(complex),
             np.full(value.shape, 1e308), np.array(3.0)]
        )  # fmt: skip
    return chance.choice([*ODD, 3, 2**31, 2**63 - 1, -(2**63), np.zeros(3), np.array(["a"])])


def forged(good: dict[str, Any], chance: random.Random) -> bytes:
    tree = copy.deepcopy(good)
    for _ in range(chance.choice((1, 1, 2))):
        *above, name = chance.choice([*places(tree)])
        inside = tree
        for each in above:
            inside = inside[each]
        if chance.random() < 0.2:
            del inside[name]
        else:
            inside[name] = another(inside[name], chance)
    return checkpoint._to_bytes(tree)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # weights of 1e308, as the program has it
@pytest.mark.parametrize("number", [25, pytest.param(3000, marks=pytest.mark.slow)])
def test_forged_checkpoints_are_used_or_refused(tmp_path: Path, number: int) -> None:
    files, chance = a_run(), random.Random(4)
    run = tmp_path / "a" / "1"
    for name, content in files.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    good = checkpoint.load(run / "checkpoints" / "last.npz")
    for _ in range(number):
        content = forged(good, chance)
        for name in ("last", "best", "previous"):
            (run / "checkpoints" / f"{name}.npz").write_bytes(content)
        if chance.random() < 0.3:  # the weights of the best epoch are in the last one too
            (run / "checkpoints" / "best.npz").unlink()
        for name in ("summary.json", "metrics.jsonl", "gradients.jsonl"):
            (run / name).write_bytes(files[name])
        command = chance.choice((("evaluate",), ("train", "--resume", "--quiet")))
        if command[0] == "train":
            (run / "summary.json").unlink()
        code, message = say(*command, run)
        assert code in (0, 1, 2, 3), message


def test_one_that_is_no_mapping_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(checkpoint._to_bytes({"format": np.zeros(2)}))
    with pytest.raises(checkpoint.CheckpointError, match="expected a checkpoint of format 1"):
        checkpoint.load(path)


def test_a_log_of_another_network_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "a" / "1"
    for name, content in a_run().items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    log = run / "gradients.jsonl"
    log.write_bytes(log.read_bytes().replace(b"dense_2", b"dense_3"))
    code, message = say("diagnose", run)
    assert code == 2
    assert "step 1 has a layer 'dense_3', which this run's network has not" in message
