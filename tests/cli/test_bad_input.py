"""Input that cannot be used: a message with its place, exit code 2, and nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import SPEC, bpcli, inside, write_spec

SPECS = {
    "empty": "",
    "only a comment": "# nothing\n",
    "a list": "- dense: 3\n",
    "a word": "hello\n",
    "not YAML": "network: [dense: 4\n",
    "a tab": "network:\n\t- dense: 4\n",
    "an unknown key": SPEC + "epochs: 3\n",
    "a duplicate key": SPEC + "loss: mse\n",
    "an alias": SPEC.replace("tanh", "*tanh"),
    "a tag": SPEC.replace("tanh", "!!python/name:os.system tanh"),
    "an unknown layer": SPEC.replace("tanh", "tahn"),
    "a wrong type": SPEC.replace("dense: 4", "dense: many"),
    "a negative size": SPEC.replace("dense: 4", "dense: -4"),
    "a size beyond all memory": SPEC.replace("dense: 4", "dense: 1000000000000"),
    "a size beyond integers": SPEC.replace("dense: 4", "dense: 1" + "0" * 5000),
    "too few outputs": SPEC.replace("dense: 3", "dense: 2"),
    "nested too deep": "network: " + "[" * 500 + "]" * 500 + "\n",
    "no file of data": SPEC.replace("generate: {blobs: {samples: 60, classes: 3}}", "path: no.csv"),
    "two sources": SPEC.replace("{generate:", "{path: no.csv, generate:"),
    "a metric that is not there": SPEC.replace(
        "epochs: 3", "epochs: 3, early_stopping: {metric: validation.rmse}"
    ),
}


@pytest.mark.parametrize("command", ["show", "train", "bench"])
@pytest.mark.parametrize("kind", SPECS)
def test_a_spec_that_cannot_be_used(folder: Path, kind: str, command: str) -> None:
    if kind == "a metric that is not there" and command != "train":
        pytest.skip("only training watches metrics")
    path = write_spec(folder, SPECS[kind], "wrong.yaml")
    ended = inside(command, path.name)
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert len(ended.stderr) < 2000
    assert "wrong.yaml" in ended.stderr or "no.csv" in ended.stderr
    assert not (folder / "runs").exists() or not any((folder / "runs").iterdir())


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\x00\x01\x02", b"\x89PNG\r\n\x1a\n", b"a: \xe9\n"]
)
def test_a_file_that_is_no_text(folder: Path, content: bytes) -> None:
    (folder / "wrong.yaml").write_bytes(content)
    ended = inside("show", "wrong.yaml")
    assert ended.returncode == 2
    assert ended.stderr.startswith("wrong.yaml")


@pytest.mark.parametrize("path", ["missing.yaml", ".", "", "missing/small.yaml", "a" * 5000])
def test_a_path_that_is_no_spec(folder: Path, path: str) -> None:
    assert inside("show", path).returncode == 2


def test_all_problems_are_reported_at_their_places(folder: Path) -> None:
    write_spec(folder, SPEC.replace("tanh", "tahn").replace("0.05", "fast"), "wrong.yaml")
    ended = inside("train", "wrong.yaml")
    first, second, count = ended.stderr.splitlines()
    assert first.startswith("wrong.yaml:3:23: ")
    assert "did you mean 'tanh'?" in first
    assert second.startswith("wrong.yaml:5:35: ")
    assert count == "2 problems, nothing was started"


@pytest.mark.parametrize(
    "setting",
    ["epochs", "training.epochs=", "training.epochs=0", "training.epoch=3", "network.9=relu",
     "network.0.dense=[", "optimizer.sgd.momentum=0.9", "=3", "network.0.dense.unit=3"],
)  # fmt: skip
def test_settings_that_cannot_be_made(folder: Path, setting: str) -> None:
    ended = inside("show", "small.yaml", "--set", setting)
    assert ended.returncode == 2
    assert f"--set {setting}" in ended.stderr


def test_a_spec_from_standard_input(folder: Path) -> None:
    ended = bpcli("show", "-", folder=folder, stdin=SPEC)
    assert ended.returncode == 0
    assert "small · 2 weighted layers · 27 parameters" in ended.stdout
    ended = bpcli("show", "-", folder=folder, stdin="loss: [")
    assert ended.returncode == 2
    assert ended.stderr.startswith("<stdin>:")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
@pytest.mark.parametrize("run", ["missing", ".", "small.yaml", "runs/small/2"])
def test_what_is_no_run(trained: Path, command: str, run: str) -> None:
    file = ["small.yaml"] if command == "predict" else []
    ended = inside(command, run, *file)
    assert ended.returncode == 2
    assert run in ended.stderr


@pytest.mark.parametrize("file", ["spec.yaml", "preparation.json", "checkpoints/last.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_a_damaged_run(trained: Path, file: str, content: bytes) -> None:
    (trained / "runs/small/1/checkpoints/best.npz").unlink()
    (trained / "runs/small/1/checkpoints/previous.npz").unlink(missing_ok=True)
    (trained / "runs/small/1" / file).write_bytes(content)
    ended = inside("evaluate", "runs/small/1")
    assert ended.returncode == 2
    assert file.rpartition("/")[2] in ended.stderr
