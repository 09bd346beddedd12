"""The data sets that come with the code are whole, described, and load."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bpcli.build import prepare
from bpcli.data.sources import open_source
from bpcli.spec import load_spec
from bpcli.spec.data import SourceOptions

from .support import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "datasets"
INDEX = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
NOT_DATA = {"README.md", "index.json", ".gitattributes"}


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["name"])
def test_every_file_is_the_one_that_the_index_describes(entry: dict) -> None:
    content = (FOLDER / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert all(entry[key] for key in ("name", "task", "shape", "licence", "origin"))


def test_the_index_and_the_readme_name_every_file() -> None:
    files = {
        str(file.relative_to(FOLDER)).replace("\\", "/")
        for file in FOLDER.rglob("*")
        if file.is_file() and file.name not in NOT_DATA
    }
    assert {entry["file"] for entry in INDEX} == files
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(file in readme for file in files if not file.startswith("mnist/"))


@pytest.mark.parametrize(
    "entry",
    [entry for entry in INDEX if ".csv" in entry["file"]],
    ids=lambda entry: entry["name"],
)
def test_every_table_has_the_size_and_header_that_it_should(entry: dict) -> None:
    source = open_source(SourceOptions(path=entry["file"]), FOLDER)
    rows, columns = entry["shape"]
    assert source.has_header
    assert len(source.names) == columns
    assert len(source.read()) == rows


@pytest.mark.parametrize(("part", "count"), [("train", 60_000), ("t10k", 10_000)])
def test_mnist_has_its_images(part: str, count: int) -> None:
    options = SourceOptions(
        images=f"mnist/{part}-images-idx3-ubyte.gz", labels=f"mnist/{part}-labels-idx1-ubyte.gz"
    )
    examples = open_source(options, FOLDER).read()
    assert examples.inputs.shape == (count, 28, 28, 1)
    # MD5 of the unpacked files, as published with the data
    published = {
        "train": "6bbc9ace898e44ae57da46a324031adb",
        "t10k": "2646ac647ad5339dbf082846283269ea",
    }
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
    assert hashlib.md5(header + examples.inputs.tobytes()).hexdigest() == published[part]


def test_mnist1d_has_its_sequences() -> None:
    options = SourceOptions(path="mnist1d.npz", inputs="x_test", targets="y_test")
    examples = open_source(options, FOLDER).read()
    assert examples.inputs.shape == (1000, 40)
    assert set(examples.targets.values.tolist()) == set(range(10))


@pytest.mark.parametrize(
    ("data", "loss", "shapes"),
    [
        ("path: moby_dick.txt, sequence_length: 64", "cross_entropy", ((64,), (64, 83))),
        ("path: sunspots.csv, window: 12", "mse", ((12, 1), (1,))),
        ("path: co2.csv, window: 52, horizon: 4, missing: drop", "mse", ((52, 1), (4,))),
        ("path: sea_surface_temperature.csv.gz, window: 48", "mse", ((48, 1), (1,))),
    ],
)
def test_texts_and_series_are_cut_into_windows(data: str, loss: str, shapes: tuple) -> None:
    dataset = load(FOLDER, f"{data}, split: {{validation: 0.1, test: 0.1}}", loss=loss)
    description = dataset.preparation.description()
    assert (description.input_shape, description.output_shape) == shapes
    assert [*dataset.parts] == ["train", "validation", "test"]


def test_mnist_is_read_without_a_second_copy() -> None:
    """600 MB are the limit of training; float32 images alone are 220."""
    code = (
        "from bpcli.spec import load_spec; from bpcli.data import load_data;"
        "from bpcli.memory import peak_memory;"
        f"load_data(load_spec({str(ROOT / 'configs' / 'mnist.yaml')!r}));"
        "print(peak_memory())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 400e6


CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_finds_its_data_and_fits_them(path: Path) -> None:
    spec = load_spec(path)
    dataset, network = prepare(spec)
    inputs, targets = dataset.train.slice(0, 3)
    assert network.forward(inputs).shape == (len(inputs), *dataset.preparation.targets.shape)
    assert len(inputs) == len(targets)
    assert inputs.dtype.name == spec.dtype or inputs.dtype.kind == "i"
