"""What only the data can tell is checked before a sweep starts, and read as each network asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpcli.errors import SpecError
from bpcli.spec.load import load_template
from bpcli.sweep import work
from bpcli.sweep.checking import Checking
from bpcli.sweep.jobs import Job, make_jobs

SPEC = """\
data: {path: codes.csv, target: kind, split: {validation: 0.2}}
network: [{dense: 8}, tanh, flatten, {dense: 3}]
loss: cross_entropy
optimizer: adam
training: {epochs: 1, batch_size: 8}
"""
TABLE = "a,b,kind\n" + "".join(f"{i % 4},{i % 3},{'xyz'[i % 3]}\n" for i in range(30))
TWO_CLASSES = "a,b,kind\n" + "".join(f"{i % 4},{i % 3},{'xy'[i % 2]}\n" for i in range(30))


def checking(folder: Path, *settings: str, table: str = TABLE) -> Checking:
    (folder / "codes.csv").write_text(table)
    (folder / "codes.yaml").write_text(SPEC)
    return Checking(load_template(folder / "codes.yaml"), settings)


def jobs_of(checks: Checking, *settings: str) -> list[Job]:
    return list(make_jobs(checks.all([(setting,) for setting in settings]), "train"))


def problems(checks: Checking, *settings: str) -> list[str]:
    with pytest.raises(SpecError) as error:
        jobs_of(checks, *settings)
    return [str(problem) for problem in error.value.problems]


def test_outputs_fit_classes_that_a_header_does_not_tell(tmp_path: Path) -> None:
    found = problems(checking(tmp_path), *(f"network.3.dense={units}" for units in (2, 3, 4)))
    assert len(found) == 2
    for units, problem in zip((2, 4), found, strict=True):
        assert "needs 3 outputs, one for each class (x, y, z)" in problem
        assert problem.endswith(f"; with network.3.dense={units}")


def test_what_is_wrong_without_any_variation_is_said_once(tmp_path: Path) -> None:
    (found,) = problems(checking(tmp_path, "network.3.dense=2"), *(f"seed={n}" for n in range(99)))
    assert "needs 3 outputs" in found
    assert "with seed" not in found


def test_data_are_read_as_each_network_asks(tmp_path: Path) -> None:
    """As codes for an embedding; for one output as 0 and 1, for two as one-hot."""
    layers = ("{dense: 8}", "{embedding: 4}", "{dense: 8}")
    jobs = jobs_of(checking(tmp_path), *(f"network.0={layer}" for layer in layers))
    numbers, codes = (work._dataset(job.spec) for job in jobs[:2])
    assert numbers.train.inputs.dtype.kind == "f"
    assert codes.train.inputs.dtype.kind == "i"
    checks = checking(tmp_path, "network.2=sigmoid", "network.3=sigmoid", "loss=mse",
                      table=TWO_CLASSES)  # fmt: skip
    one, two = jobs_of(checks, "network.0.dense=1", "network.0.dense=2")
    for job, outputs in ((one, 1), (two, 2)):
        assert work._dataset(job.spec).train.targets.shape[1] == outputs
        assert "error" not in work.run(job)


def test_a_loss_decides_how_targets_are_understood(tmp_path: Path) -> None:
    """Numbers of several values are a regression's one output, or the classes of another loss."""
    table = "a,b,kind\n" + "".join(f"{i % 4},{i % 3},{i % 3}\n" for i in range(30))
    checks = checking(tmp_path, "network.3.dense=1", table=table)
    (found,) = problems(checks, "loss=mse", "loss=cross_entropy")
    assert "needs 3 outputs" in found
