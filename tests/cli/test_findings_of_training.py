"""What `bpcli train` says of a run: the findings that hold, and none of a run that goes well."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import bpcli, strict_json

SPEC = """\
name: deep
data: {{generate: {{circles: {{samples: 1000}}}}, split: {{validation: 0.2}}}}
network: [{{repeat: {{times: 11, layers: [{{dense: 32}}, {activation}]}}}}, {{dense: 2}}]
loss: cross_entropy
optimizer: {{sgd: {{learning_rate: 0.1}}}}
training: {{epochs: 10, batch_size: 32}}
"""


@pytest.mark.parametrize(
    ("activation", "names"), [("elu", []), ("sigmoid", ["vanishing-gradient"])]
)
def test_a_run_is_judged_by_where_its_loss_is_now(
    tmp_path: Path, activation: str, names: list[str]
) -> None:
    """Few steps of a small network are recorded, most of them at the start: its loss is not the
    middle of theirs."""
    (tmp_path / "deep.yaml").write_text(SPEC.format(activation=activation), encoding="utf-8")
    ended = bpcli("train", "deep.yaml", "--format", "json", folder=tmp_path)
    assert [each["name"] for each in strict_json(ended.stdout)["findings"]] == names
    assert ("BP" in ended.stderr) == bool(names)
    assert ended.returncode == (1 if names else 0)
    diagnosed = bpcli("diagnose", "runs/deep", "--format", "json", folder=tmp_path)
    findings = strict_json(diagnosed.stdout)["findings"]
    assert [each["name"] for each in findings] == names
    for finding in findings:
        (change, *_) = finding["remedies"][0]["changes"]
        assert change["path"] == "network.0.repeat.layers.1"


def test_a_run_of_nine_steps_says_nothing_of_where_training_leads(tmp_path: Path) -> None:
    """A plain network gets further in them, but ten are the least that count."""
    few = ("--set", "training.epochs=3", "--set", "training.batch_size=500")
    spec = Path(__file__).parents[2] / "configs" / "digits.yaml"
    assert "9 steps" in bpcli("train", str(spec), *few, folder=tmp_path).stdout
    diagnosed = bpcli("diagnose", "runs/digits", "--format", "json", folder=tmp_path)
    assert strict_json(diagnosed.stdout)["findings"] == []
