"""A series reads each spec as a template alone would, only faster."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bpcli.errors import SpecError
from bpcli.spec.dump import dump_spec
from bpcli.spec.load import load_template
from bpcli.spec.series import Series

ROOT = Path(__file__).parents[2]
CHANGES = [
    ("seed=1",),
    ("seed=2",),
    ("network.0.dense.units=3", "seed=1"),
    ("network.0.dense.units=3", "seed=2"),
    ("network.0.dense.units=4", "seed=2"),
    ("network.0.dense.units=wide", "seed=2"),
    ("network.0.dense.units=4", "seed=-1"),
    ("network.1=sigmoid", "optimizer={sgd: {learning_rate: 0.5}}", "training.epochs=3"),
    ("optimizer={sgd: {learning_rate: 0.5}}", "optimizer.sgd.momentum=0.5"),
    ("data.split.validation=0.9", "data.split.test=0.2"),
    ("loss=mse",),
    ("network.99=relu",),
    ("training.epoch=3",),
    (),
]


def outcome(read: object, settings: tuple[str, ...]) -> object:
    try:
        return read(settings)  # type: ignore[operator]
    except SpecError as error:
        return str(error).replace("--set", "--vary")


@pytest.mark.parametrize("name", ["digits", "deep_residual", "moby_dick_transformer", "mazur"])
def test_a_series_reads_what_a_template_reads(name: str) -> None:
    template = load_template(ROOT / "configs" / f"{name}.yaml")
    series = Series(template)
    for settings in (*CHANGES, *reversed(CHANGES)):
        found = outcome(series.spec, settings)
        assert found == outcome(template.spec, settings)
        if not isinstance(found, str):
            assert dump_spec(found) == dump_spec(template.spec(settings))  # type: ignore[arg-type]


def test_settings_of_all_specs_are_told_apart_from_those_that_vary() -> None:
    series = Series(load_template(ROOT / "configs" / "digits.yaml"), ["seed=x"])
    with pytest.raises(SpecError) as caught:
        series.spec(["loss=y"])
    places = {str(problem).partition(":")[0] for problem in caught.value.problems}
    assert places == {"--set seed=x", "--vary loss=y"}


def test_a_file_that_is_no_yaml_says_so_under_any_setting(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("network: [")
    series = Series(load_template(tmp_path / "a.yaml"))
    for setting in ("seed=1", "seed=2"):
        with pytest.raises(SpecError, match="not valid YAML"):
            series.spec([setting])


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    template = load_template(ROOT / "configs" / "digits.yaml")
    monkeypatch.setattr(sys.modules[Series.__module__], "_MOST", 30)
    series = Series(template)
    for seed in range(60):
        setting = f"training.epochs={seed + 1}"
        assert series.spec([setting]) == template.spec([setting])
        assert len(series._known) <= 60


def test_parts_that_do_not_differ_are_the_same_objects() -> None:
    series = Series(load_template(ROOT / "configs" / "digits.yaml"))
    one, two = series.spec(["seed=1"]), series.spec(["seed=2"])
    assert one.network is two.network
    assert one.data is two.data
