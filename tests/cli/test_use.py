"""`bpcli evaluate` and `bpcli predict`: a trained network on data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from .program import inside, results, strict_json, write_spec

FLOWERS = """\
name: flowers
data: {path: flowers.csv, split: {test: 0.2}, scale: standard}
network: [{dense: 8}, tanh, {dense: 2}]
loss: cross_entropy
optimizer: {adam: {learning_rate: 0.05}}
training: {epochs: 20, batch_size: 8}
"""


@pytest.fixture
def flowers(folder: Path) -> Path:
    """A folder with a run on a table of words and numbers."""
    random = np.random.default_rng(0)
    rows = ["width,colour,kind"]
    for number in range(60):
        kind = "rosé" if number % 2 else "aster, blue"
        rows.append(f'{random.normal(2 * (number % 2), 0.3):.3f},{"rw"[number % 2]},"{kind}"')
    (folder / "flowers.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_spec(folder, FLOWERS, "flowers.yaml")
    assert inside("train", "flowers.yaml", "-q").returncode == 0
    return folder


def predictions(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_evaluation_repeats_the_figures_of_training(trained: Path) -> None:
    summary = json.loads((trained / "runs/small/1/summary.json").read_text())
    document = results("evaluate", "runs/small")
    for part in ("train", "validation", "test"):
        assert document[part] == summary[part]
    assert document["examples"] == {"train": 36, "validation": 12, "test": 12}
    assert document["epoch"] == summary["best"]["epoch"]
    only = results("evaluate", "runs/small/1", "--part", "test")
    assert only["test"] == summary["test"]
    assert "train" not in only


def test_evaluation_on_another_file(flowers: Path) -> None:
    document = results("evaluate", "runs/flowers", "--data", "flowers.csv")
    assert document["data"]["accuracy"] == 1.0
    assert document["examples"] == {"data": 60}


def test_evaluation_says_what_it_cannot_do(flowers: Path) -> None:
    ended = inside("evaluate", "runs/flowers", "--part", "validation")
    assert ended.returncode == 2
    assert "no validation part; it has train, test" in ended.stderr
    assert inside("evaluate", "runs/flowers", "--part", "test", "--data", "x").returncode == 2
    (flowers / "wrong.csv").write_text("width,colour,kind\n1,r,tulip\n")
    ended = inside("evaluate", "runs/flowers", "--data", "wrong.csv")
    assert ended.returncode == 2
    assert "wrong.csv:2" in ended.stderr
    assert "'tulip'" in ended.stderr


def test_data_that_changed_since_training_are_warned_of(flowers: Path) -> None:
    file = flowers / "flowers.csv"
    file.write_text(file.read_text(encoding="utf-8") + "2,w,rosé\n", encoding="utf-8")
    ended = inside("evaluate", "runs/flowers")
    assert ended.returncode == 0
    assert ended.stderr.startswith("Warning: the data have changed")


def test_predictions_are_in_the_words_and_the_order_of_the_data(flowers: Path) -> None:
    (flowers / "new.csv").write_text("colour,height,width\nw,9,2.1\nr,9,-0.2\nr,1,0\n")
    rows = predictions(inside("predict", "runs/flowers", "new.csv").stdout)
    assert [row["prediction"] for row in rows] == ["rosé", "aster, blue", "aster, blue"]
    for row in rows:
        shares = [float(value) for name, value in row.items() if name.startswith("probability_")]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert float(row[f"probability_{row['prediction']}"]) > 0.5


def test_predictions_as_json_and_in_files(flowers: Path) -> None:
    printed = inside("predict", "runs/flowers", "flowers.csv", "--format", "json").stdout
    document = strict_json(printed)
    assert len(document["predictions"]) == 60
    assert set(document["predictions"][0]) == {"prediction", "probabilities"}
    ended = inside("predict", "runs/flowers", "flowers.csv", "-o", "out.json")
    assert ended.stdout == ""
    assert (flowers / "out.json").read_text(encoding="utf-8") == printed
    assert inside("predict", "runs/flowers", "flowers.csv", "-o", "no/out.csv").returncode == 5
    for folder in (".", "", ".."):
        ended = inside("predict", "runs/flowers", "flowers.csv", "-o", folder)
        assert ended.returncode == 5
        assert "Is a directory" in ended.stderr


def test_numbers_come_back_in_the_units_of_the_data(folder: Path) -> None:
    x = np.linspace(-1, 1, 40)
    np.savez(folder / "line.npz", x=x[:, None], y=500 + 100 * x)
    text = (
        "data: {path: line.npz, target_scale: standard}\nnetwork: [{dense: 1}]\nloss: mse\n"
        "optimizer: {sgd: {learning_rate: 0.5}}\ntraining: {epochs: 30, batch_size: 40}\n"
    )
    write_spec(folder, text, "line.yaml")
    assert inside("train", "line.yaml", "-q").returncode == 0
    rows = inside("predict", "runs/line", "line.npz").stdout.splitlines()[1:]
    assert np.array(rows, float) == pytest.approx(500 + 100 * x, abs=0.5)


def test_what_is_advised_about_a_cell_helps_with_a_prediction(flowers: Path) -> None:
    (flowers / "gap.csv").write_text("width,colour\n1,r\n,w\n")
    (flowers / "word.csv").write_text("width,colour\n1,r\nx,w\n")
    gap, word = (
        inside("predict", "runs/flowers", f"{name}.csv").stderr for name in ("gap", "word")
    )
    assert gap == (
        "Error: gap.csv:3: column 'width' holds nothing; fill it, or train with `missing: mean`, "
        "which fills such values\n"
    )
    assert word == (
        "Error: word.csv:3: column 'width' holds numbers, received 'x'; correct the cell\n"
    )


def test_files_that_do_not_fit_are_refused(flowers: Path) -> None:
    (flowers / "narrow.csv").write_text("colour\nr\n")
    (flowers / "gap.csv").write_text("width,colour\n1,r\n,r\n")
    for name, message in (("narrow.csv", "width"), ("gap.csv", "gap.csv:3"), ("no.csv", "no such")):
        ended = inside("predict", "runs/flowers", name)
        assert ended.returncode == 2
        assert message in ended.stderr
        assert ended.stdout == ""
