"""The same spec gives the same bytes: in another process, with other hash seeds, in any folder, and
with a home that cannot be written."""

from __future__ import annotations

from pathlib import Path

from cli.program import bpcli, write_spec

SPEC = """\
name: same
data: {generate: {blobs: {samples: 90}}, split: {validation: 0.2, test: 0.2}}
network: [{dense: 6}, batch_norm, relu, {dropout: 0.2}, {residual: [{dense: 6}, tanh]}, {dense: 3}]
loss: cross_entropy
optimizer: {adamw: {learning_rate: 0.02, weight_decay: 0.1}}
schedule: {cosine: {warmup_steps: 3}}
training: {epochs: 3, batch_size: 8, clip_norm: 1.0, l2: 0.001}
"""
COMPARED = ("checkpoints/last.npz", "checkpoints/best.npz", "metrics.jsonl", "gradients.jsonl",
            "spec.yaml", "preparation.json")  # fmt: skip


def trained(folder: Path, **variables: str) -> dict[str, bytes]:
    """What a run in that folder leaves."""
    folder.mkdir(parents=True)
    spec = write_spec(folder, SPEC)
    ended = bpcli("train", spec.name, folder=folder, **variables)
    assert ended.returncode == 0, ended.stderr
    run = folder / "runs" / "same" / "1"
    return {name: (run / name).read_bytes() for name in COMPARED}


def test_runs_are_alike_to_the_byte(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", PYTHONHASHSEED="1")
    long_path = tmp_path.joinpath(*["ein Ordner mit Lücken, 勾配 and on and on " + 150 * "x"] * 4)
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    assert trained(long_path, PYTHONHASHSEED="2", HOME=str(home), XDG_CACHE_HOME=str(home)) == first
    assert list(home.iterdir()) == []


def test_a_home_that_is_none_is_not_needed(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC)
    ended = bpcli("diagnose", spec.name, "--no-train", folder=tmp_path, HOME="/dev/null",
                  XDG_CONFIG_HOME="/nonexistent")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "no findings" in ended.stdout
