"""What a run wrote about itself is held against its shape when it is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpcli.errors import CheckpointError
from bpcli.training import RunDirectory
from bpcli.training.records import ENVIRONMENT, EPOCH, NUMBER, STEP, SUMMARY, fitting, problem

from .support import make_run, make_spec, make_trainer


def test_what_a_run_writes_fits(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    make_trainer(make_spec(), run=run).train()
    assert problem(json.loads(run.summary.read_text()), SUMMARY) is None
    assert problem(run.read_environment(), ENVIRONMENT) is None
    assert len(list(fitting(run.metrics.path, EPOCH))) == 2


@pytest.mark.parametrize(
    ("value", "shape", "found"),
    [
        (1, int, None),
        (True, int, "must be a whole number, received true"),
        (1.5, int, "must be a whole number, received 1.5"),
        (2**63, int, "must be a whole number, received 9223372036854775808"),
        (None, NUMBER, None),
        (float("inf"), NUMBER, None),
        ("1", NUMBER, 'must be null, received "1"'),
        ([1, 2], [int], None),
        ([1, "x"], [int], '`1` must be a whole number, received "x"'),
        ({}, [int], "must be a list, received {}"),
        ([], {"a": int}, "must be an object, received []"),
        ({}, {"a": int}, "`a` is missing"),
        ({}, {"a?": int}, None),
        ({"a": None}, {"a?": int}, "`a` must be a whole number, received null"),
        ({"b": {"c": "x"}}, {"b": {str: int}}, '`b.c` must be a whole number, received "x"'),
        ({"a": 1, "else": []}, {"a": int}, None),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(value: Any, shape: Any, found: str) -> None:
    assert problem(value, shape) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": "3"}, "`epochs` must be a whole number"),
        ({"train": {"loss": []}}, "`train.loss` must be"),
        ({"best": {"epoch": 1}}, "is missing"),
        ({"reason": None}, "`reason` must be a text"),
        ({"stopped_by": "nan"}, "`stopped_by` must be an object"),
    ],
)
def test_a_summary_that_somebody_edited_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    run = make_run(tmp_path)
    make_trainer(make_spec(), run=run).train()
    summary = json.loads(run.summary.read_text()) | change
    run.summary.write_text(json.dumps(summary))
    with pytest.raises(CheckpointError, match=r"summary\.json") as error:
        RunDirectory.open(run.path).read_summary()
    assert message in str(error.value)


def test_lines_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    good = {"step": 1, "layers": [{"name": "a", "gradient_norm": 1.0}]}
    bad = [b"{", b"[]", b'{"step": 1}', b'{"step": "1", "layers": []}', b"\xff", b"[" * 100_000,
           b'{"step": 2, "layers": [{"name": "a", "histograms": 3}]}']  # fmt: skip
    path = tmp_path / "gradients.jsonl"
    path.write_bytes(b"\n".join([*bad, json.dumps(good).encode(), *bad]))
    assert list(fitting(path, STEP)) == [good]
    assert list(fitting(tmp_path / "none.jsonl", STEP)) == []
