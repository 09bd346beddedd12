"""`bpcli predict` on a run that was trained on text."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import SPEC, inside, results, strict_json, write_spec

TEXT = """\
name: text
data: {path: text.txt, sequence_length: 4}
network: [{embedding: 8}, {rnn: 8}, {dense: 3}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.05}}
training: {epochs: 20, batch_size: 8}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned a cycle of three characters."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "text.txt").write_text("abc" * 200, encoding="utf-8")
    spec = write_spec(folder, TEXT, "text.yaml")
    ended = inside("train", spec, "--runs", folder / "runs")
    assert ended.returncode == 0, ended.stderr
    return folder / "runs" / "text"


def test_it_goes_on_from_the_prompt(run: Path) -> None:
    ended = inside("predict", run, "bc", "--length", "6", "--temperature", "0")
    assert (ended.returncode, ended.stdout) == (0, "bcabcabc\n")


def test_without_a_prompt_and_with_a_seed(run: Path) -> None:
    texts = [
        inside("predict", run, "--length", "80", "--temperature", "5", "--seed", seed).stdout
        for seed in ("1", "1", "2")
    ]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0]) == 81
    assert set(texts[0]) == set("abc\n")


def test_as_json_and_into_a_file(run: Path, tmp_path: Path) -> None:
    options = ("a", "--length", "3", "--temperature", "0")
    document = results("predict", run, *options)
    assert document["prompt"] == "a"
    assert document["text"] == "abca"
    file = tmp_path / "written.json"
    ended = inside("predict", run, *options, "--output", file)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert strict_json(file.read_text(encoding="utf-8")) == document


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("aé",), "the prompt holds 'é'"),
        (("a", "--format", "csv"), "text or json, not csv"),
        (("a", "--temperature", "-1"), "--temperature"),
        (("a", "--length", "0"), "--length"),
    ],
)
def test_what_cannot_be_written(run: Path, arguments: tuple[str, ...], message: str) -> None:
    ended = inside("predict", run, *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_a_run_on_examples_does_not_write(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC)
    assert inside("train", spec, "--runs", tmp_path / "runs").returncode == 0
    run = tmp_path / "runs" / "small"
    for arguments, message in (
        ((), "FILE is needed"),
        (("some.csv", "--length", "10"), "--length is for runs on text"),
        (("some.csv", "--format", "text"), "--format text is for runs on text"),
    ):
        ended = inside("predict", run, *arguments)
        assert ended.returncode == 2
        assert message in ended.stderr
