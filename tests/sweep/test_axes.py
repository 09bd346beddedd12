"""What is varied: reading, ranges, grids and samples."""

from __future__ import annotations

import pytest

from bpcli.spec.yaml import read_yaml
from bpcli.sweep.axes import AxisError, axes_of, coordinates, grid, parse_axis, sample, size


def values(written: str) -> list[str]:
    return list(parse_axis(written).values[0])


def test_lists_and_ranges() -> None:
    assert values("network.0.dense.units=16,64,256") == ["16", "64", "256"]
    assert values("seed=0..3") == ["0", "1", "2", "3"]
    assert values("a=0..1/5") == ["0", "0.25", "0.5", "0.75", "1"]
    assert values("a=1e-4..1e-1/log4") == ["0.0001", "0.001", "0.01", "0.1"]
    assert values("network.1=tanh, {leaky_relu: {slope: 0.1}}, relu") == [
        "tanh",
        "{leaky_relu: {slope: 0.1}}",
        "relu",
    ]


def test_paths_varied_together() -> None:
    axis = parse_axis("a=1,2;b=[3, 4],[5]")
    assert [axis.settings(n) for n in range(len(axis))] == [("a=1", "b=[3, 4]"), ("a=2", "b=[5]")]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("seed", "PATH=VALUES"),
        ("seed=", "PATH=VALUES"),
        ("=1", "PATH=VALUES"),
        ("a=0..1.5", "needs a count"),
        ("a=3..1", "runs upwards"),
        ("a=0..99999999999", "at most"),
        ("a=0..1/0", "1 to"),
        ("a=0..1/log3", "positive ends"),
        ("a=1,,2", "a value is missing"),
        ("a=1,2;b=3", "as many values"),
        ("a={x", "not valid YAML"),
        ("a=1e400..1e500/3", "must be finite"),
        ("a=" + "[" * 100, r"^.{1,300}$"),
    ],
)
def test_what_cannot_be_read(written: str, message: str) -> None:
    with pytest.raises(AxisError, match=message):
        parse_axis(written)


def test_grid_and_sample() -> None:
    axes = [parse_axis("a=1,2,3"), parse_axis("b=0..9;c=10..19")]
    points = list(grid(axes))
    assert size(axes) == len(points) == len(set(points)) == 30
    assert points[0] == ("a=1", "b=0", "c=10")
    assert points[1] == ("a=1", "b=1", "c=11")
    drawn = list(sample(axes, 12, seed=1))
    assert len(set(drawn)) == 12
    assert set(drawn) <= set(points)
    assert drawn == list(sample(axes, 12, seed=1))
    assert set(sample(axes, 99, seed=1)) == set(points)


def test_integers_are_exact_and_may_be_written_with_an_exponent() -> None:
    assert values("seed=9007199254740993..9007199254740994") == [
        "9007199254740993", "9007199254740994",
    ]  # fmt: skip
    assert values("seed=1e3..1002") == ["1000", "1001", "1002"]


def test_samples_of_a_grid_that_nobody_could_list() -> None:
    axes = [parse_axis(f"a{n}=0..99999") for n in range(8)]
    points = list(sample(axes, 50, seed=0))
    assert len(set(points)) == 50
    assert len({point[7] for point in points}) > 40


def test_nearly_all_of_a_grid() -> None:
    axes = [parse_axis("a=0..99"), parse_axis("b=0..99")]
    assert len(set(sample(axes, 9_999, seed=0))) == 9_999


def test_texts_of_a_sweep_file_keep_their_commas() -> None:
    (axis,) = axes_of(read_yaml('- {name: ["a, b", c, "1"], x: [1, 2, 3]}', "")[0])
    assert list(coordinates(axis.settings(0)).values()) == ["a, b", 1]
    assert list(coordinates(axis.settings(2)).values()) == ["1", 3]


def test_a_sweep_file() -> None:
    node, problems = read_yaml(
        "- {seed: 0..2}\n- {a: [relu, {elu: {alpha: 2}}, true], b: [1, 2, 3]}\n", ""
    )
    assert not problems
    seed, together = axes_of(node)
    assert seed.values == (("0", "1", "2"),)
    assert together.values == (("relu", "{elu: {alpha: 2}}", "true"), ("1", "2", "3"))
    with pytest.raises(AxisError, match="list of mappings"):
        axes_of(read_yaml("seed: 0..2", "")[0])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("- {seed: []}", "f.yaml: seed has no values"),
        ("- {a: 1, seed: }", "f.yaml: seed has no values"),
        ("- {seed: ''}", "f.yaml: seed has no values"),
        ("- {}", "f.yaml: an empty mapping varies nothing"),
    ],
)
def test_a_sweep_file_that_varies_nothing(written: str, message: str) -> None:
    with pytest.raises(AxisError, match=message):
        axes_of(read_yaml(written, "")[0], "f.yaml")


def test_coordinates_are_plain_values() -> None:
    assert coordinates(("seed=3", "rate=1e-3", "network.1=tanh", "x=[1, 2]")) == {
        "seed": 3,
        "rate": 1e-3,
        "network.1": "tanh",
        "x": "[1, 2]",
    }
