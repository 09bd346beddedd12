"""A run that is interrupted and taken up again: the same log, the same findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.support import InterruptAt

from bpcli.cli.parameters import SpecRequest
from bpcli.cli.runs import Training, begin, go_on
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.recorder import Recorder
from bpcli.diagnosis.watch import Watch

SPEC = """\
name: deep
data: {{generate: {{circles: {{samples: 200}}}}, split: {{validation: 0.2}}}}
network: [{{repeat: {{times: 9, layers: [{{dense: 8}}, {activation}]}}}}, {{residual: [{{dense: 8}},
  relu]}}, {{dense: 2}}]
loss: cross_entropy
optimizer: {{adamw: {{learning_rate: {rate}}}}}
training: {{epochs: 8, batch_size: 16, clip_norm: 1.0}}
"""
INTERVAL = 3
STEPS = 80


def train(training: Training, stop: int = 0) -> tuple[Finding, ...]:
    """As `bpcli train` does; what the watch has found in the end."""
    trainer, dataset = training.trainer, training.dataset
    assert trainer is not None
    assert dataset is not None
    trainer.recorder = Recorder(trainer.stepper.total_steps, interval=INTERVAL)
    watch = Watch(training.spec, dataset, trainer.network)
    trainer.listen(watch)
    trainer.listen(InterruptAt(stop))
    trainer.train()
    return watch.findings


def written(folder: Path) -> dict[str, bytes]:
    names = "gradients.jsonl", "metrics.jsonl", "checkpoints/last.npz"
    return {name: (folder / "deep" / "1" / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    ("activation", "rate", "expected"),
    [("sigmoid", 1e-3, ["vanishing-gradient"]), ("relu", 1e-2, [])],
)
def test_a_resumed_run_has_the_log_and_the_findings_of_the_undisturbed_one(
    tmp_path: Path, activation: str, rate: float, expected: list[str]
) -> None:
    spec = tmp_path / "deep.yaml"
    spec.write_text(SPEC.format(activation=activation, rate=rate), encoding="utf-8")
    request = SpecRequest(str(spec))
    findings = train(begin(request, tmp_path / "whole"))
    whole = written(tmp_path / "whole")
    assert [finding.name for finding in findings] == expected
    assert len(whole["gradients.jsonl"].splitlines()) == 10 + STEPS // INTERVAL - 3
    for step in (1, 12, 53):
        runs = tmp_path / str(step)
        train(begin(request, runs), stop=step)
        assert train(go_on(SpecRequest(None), runs / "deep" / "1")) == findings
        assert written(runs) == whole


def test_a_log_of_gradients_that_is_gone_is_told_of(tmp_path: Path) -> None:
    spec = tmp_path / "deep.yaml"
    spec.write_text(SPEC.format(activation="relu", rate=1e-2), encoding="utf-8")
    train(begin(SpecRequest(str(spec)), tmp_path), stop=12)
    log = tmp_path / "deep" / "1" / "gradients.jsonl"
    log.unlink()
    training = go_on(SpecRequest(None), tmp_path / "deep" / "1")
    assert training.warnings == [f"{log}: the lines of earlier steps are missing"]
