"""Nodes to the model: shorthand and normal form, and every kind of problem at its place."""

from __future__ import annotations

from dataclasses import field

import numpy as np
import pytest

import bpcli
from bpcli.errors import BpcliError, SpecError
from bpcli.spec import initializers, layers, optimization, parse_spec, read_value
from bpcli.spec.data import DataOptions, Moons, SourceOptions, Split, Xor
from bpcli.spec.model import EarlyStopping, Place, TrainingOptions
from bpcli.spec.options import Items, Number

from .specs import BASE, problems_of


def test_a_spec_becomes_its_model() -> None:
    spec = parse_spec(BASE, name="stem")
    inner = layers.Dense(4, bias=initializers.Constant(0.1))
    assert spec.network == (
        layers.Dense(4),
        layers.Relu(),
        layers.Residual((layers.LayerNorm(), inner)),
        layers.Repeat(3, (layers.Dense(32), layers.Tanh())),
        layers.Dense(2, init=initializers.Values(((1.0, 2.0), (3.0, 4.0)))),
    )
    assert spec.data == DataOptions(path="a.csv")
    assert spec.loss == optimization.CrossEntropy()
    assert spec.optimizer == optimization.Adam()
    assert (spec.name, spec.seed, spec.dtype) == ("stem", 0, "float32")


@pytest.mark.parametrize("written", ["dense: 3", "dense: {units: 3}", "'dense': {units: 3}",
                                     "dense: {units: 0x3}", "dense:\n      units: 3"])  # fmt: skip
def test_short_forms_mean_the_normal_form(written: str) -> None:
    assert parse_spec(BASE.replace("dense: 4", written, 1)).network[0] == layers.Dense(3)


@pytest.mark.parametrize("written", ["relu", "relu:", "relu: {}", "{relu: null}", "{relu: {}}"])
def test_a_name_without_options_may_be_bare(written: str) -> None:
    assert parse_spec(BASE.replace("- relu", f"- {written}")).network[1] == layers.Relu()


def test_every_section_is_read() -> None:
    spec = parse_spec(
        BASE.replace(
            "path: a.csv",
            "generate: {moons: 100}, validation: {generate: xor}, split: {test: 0.2}, seed: 7",
        )
        + "name: n\nseed: 0x10\ndtype: float64\noptimizer: {sgd: {momentum: 0.9, nesterov: true}}\n"
        "schedule: {cosine: {warmup_steps: 100}}\ntraining: {epochs: 3, early_stopping: }\n"
        "diagnosis: {thresholds: {dead: 0.5}, ignore: []}\n"
    )
    assert spec.data == DataOptions(
        generate=Moons(100),
        validation=SourceOptions(generate=Xor()),
        split=Split(test=0.2),
        seed=7,
    )
    assert spec.optimizer == optimization.Sgd(momentum=0.9, nesterov=True)
    assert spec.schedule == optimization.CosineDecay(warmup_steps=100)
    assert spec.training == TrainingOptions(epochs=3, early_stopping=None)
    assert spec.diagnosis.thresholds == (("dead", 0.5),)
    assert (spec.name, spec.seed, spec.dtype) == ("n", 16, "float64")


def test_whole_numbers_are_floats_where_a_number_is_wanted() -> None:
    spec = parse_spec(BASE + "optimizer: {sgd: {learning_rate: 15}}\n")
    assert type(spec.optimizer.learning_rate) is float


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("network", (3, 3)),
        ("network.1", (4, 5)),
        ("network.0.dense", (3, 5)),
        ("network.0.dense.units", (3, 12)),
        ("network.3.repeat.layers.0.dense.units", (6, 41)),
        ("network.2.residual.layers.1.dense.bias.constant.value", (5, 64)),
        ("network.4.dense.init.values.values", (7, 38)),
        ("network.1.relu.nothing.here", (4, 5)),
        ("optimizer.adam", (1, 1)),
    ],
)
def test_every_path_of_the_normal_form_has_a_place(path: str, place: tuple[int, int]) -> None:
    assert parse_spec(BASE).source.place(path) == Place(*place)


# what is put in the place of what in the base, and all that is said about it
WRONG = [
    ("- relu", "- rleu", ["f:4:5: unknown layer 'rleu' at network.1; did you mean 'relu'?"]),
    ("- relu", "- LeakyReLU",
     ["f:4:5: unknown layer 'LeakyReLU' at network.1; did you mean 'leaky_relu'?"]),
    ("dense: 4", "linear: 4",
     ["f:3:5: unknown layer 'linear' at network.0; did you mean 'dense'?"]),
    ("dense: 4", "dense:4", ["f:3:5: unknown layer 'dense:4' at network.0; did you mean 'dense'?"]),
    ("- relu", "- relu: 3", ["f:4:11: relu takes no value, received 3, at network.1.relu"]),
    ("- relu", "-", ["f:4:4: network.1 must be a layer, received nothing"]),
    ("- relu", "- 64", ["f:4:5: network.1 must be a layer, received 64"]),
    ("- relu", "- [relu]", ["f:4:5: network.1 must be a layer, received a list"]),
    ("- relu", "- {}", ["f:4:5: network.1 must be a layer, received an empty mapping"]),
    ("- relu", "- true", ["f:4:5: network.1 must be a layer, received true"]),
    ("dense: 4", "dense: 4\n    activation: relu",
     ["f:3:5: network.0 must be one layer, received 'dense', 'activation'; options go below the "
      "name, indented further, or in { }"]),
    ("dense: 4", "dense", ["f:3:5: units is missing, at network.0.dense"]),
    ("dense: 4", "dense: {unit: 4}",
     ["f:3:13: unknown option 'unit' at network.0.dense; did you mean 'units'?"]),
    ("dense: 4", "dense: 4.0",
     ["f:3:12: units must be a positive integer, received 4.0, at network.0.dense.units"]),
    ("dense: 4", "dense: 0",
     ["f:3:12: units must be a positive integer, received 0, at network.0.dense.units"]),
    ("dense: 4", "dense: 99999999999999999999",
     ["f:3:12: units must be an integer of fewer than 19 digits, received 99999999999999999999, "
      "at network.0.dense.units"]),
    ("dense: 4", "dense: true",
     ["f:3:12: units must be a positive integer, received true, at network.0.dense.units"]),
    ("dense: 4", "dense: {units: 4, name: a.b}",
     ["f:3:29: name must be a name without dots, received the text 'a.b', "
      "at network.0.dense.name"]),
    ("dense: 4", "dense: {units: 4, name: ''}",
     ["f:3:29: name must be a name without dots, received the text '', at network.0.dense.name"]),
    ("dense: 4", "dropout: 1",
     ["f:3:14: rate must be a number of at least 0 and below 1, received 1, "
      "at network.0.dropout.rate"]),
    ("dense: 4", "dropout: 1e-400000", []),
    ("{constant: 0.1}", "{constnat: 0.1}",
     ["f:5:54: unknown init 'constnat' at network.2.residual.layers.1.dense.bias; "
      "did you mean 'constant'?"]),
    ("{constant: 0.1}", "zeroes",
     ["f:5:53: unknown init 'zeroes' at network.2.residual.layers.1.dense.bias; "
      "did you mean 'zeros'?"]),
    ("{constant: 0.1}", "no",
     ["f:5:53: bias must be true or false, or an init, received the text 'no', "
      "at network.2.residual.layers.1.dense.bias; did you mean false?"]),
    ("{constant: 0.1}", "{uniform: {low: 1, high: 0}}",
     ["f:5:69: low must be below high, received 1 and 0, "
      "at network.2.residual.layers.1.dense.bias.uniform.low"]),
    ("times: 3", "times: 5001",
     ["f:6:21: a network has at most 10,000 layers; written out these are 10,002, "
      "at network.3.repeat.times"]),
    ("layers: [{dense: 32}, tanh]", "layers: [{repeat: {times: 4000, layers: [tanh]}}]",
     ["f:6:21: a network has at most 10,000 layers; written out these are 12,000, "
      "at network.3.repeat.times"]),
    ("layers: [{dense: 32}, tanh]", "layers: []",
     ["f:6:32: layers must be a list of layers, received an empty list, "
      "at network.3.repeat.layers"]),
    ("[3, 4]", "[3]",
     ["f:7:38: values must be a number or equally long nested lists of numbers, received a list, "
      "at network.4.dense.init.values.values"]),
    ("[3, 4]", "[3, x]",
     ["f:7:51: values.1.1 must be a number, received the text 'x', "
      "at network.4.dense.init.values.values.1.1"]),
    ("loss: cross_entropy", "", ["f:1:1: loss is missing"]),
    ("loss: cross_entropy", "los: mse", ["f:8:1: unknown option 'los'; did you mean 'loss'?"]),
    ("loss: cross_entropy", "loss: categorical_crossentropy",
     ["f:8:7: unknown loss 'categorical_crossentropy' at loss; did you mean 'cross_entropy'?"]),
    ("loss: cross_entropy", "loss: ", ["f:8:6: loss must be a loss, received nothing"]),
    ("path: a.csv", "pth: a.csv", ["f:1:8: unknown option 'pth' at data; did you mean 'path'?"]),
    ("path: a.csv", "",
     ["f:1:7: exactly one source of data is needed (path, inputs and targets, images and labels, "
      "generate), received none, at data"]),
    ("path: a.csv", "path: a.csv, generate: xor",
     ["f:1:7: exactly one source of data is needed (path, inputs and targets, images and labels, "
      "generate), received path and generate, at data"]),
    ("path: a.csv", "images: a.gz",
     ["f:1:16: images and labels go together, each an IDX file, at data.images"]),
    ("path: a.csv", "inputs: a.npy",
     ["f:1:16: inputs and targets go together, each a .npy file, at data.inputs"]),
    ("path: a.csv", "path: a.csv, inputs: x",
     ["f:1:29: inputs and targets name arrays of an .npz, or are .npy files without a path; the "
      "columns of a table are named by features and target, at data.inputs"]),
    ("path: a.csv", "path: a.npz, target: x",
     ["f:1:29: target is for tables (a path to a .csv), at data.target"]),
    ("path: a.csv", "generate: moon",
     ["f:1:18: unknown generator 'moon' at data.generate; did you mean 'moons'?"]),
    ("path: a.csv", "path: 3",
     ["f:1:14: path must be a text, received 3, at data.path; quotes make it a text"]),
    ("path: a.csv", "path: a.csv, target: [a, {}]",
     ["f:1:33: target.1 must be a text, or an integer of 0 or more, received an empty mapping, "
      "at data.target.1"]),
    ("path: a.csv", "path: a.csv, shape: [0, a]",
     ["f:1:29: shape.0 must be a positive integer, received 0, at data.shape.0",
      "f:1:32: shape.1 must be a positive integer, received the text 'a', at data.shape.1"]),
    ("path: a.csv", "path: a.csv, scale: standrad",
     ["f:1:28: scale must be one of none, standard, minmax, or a number, received the text "
      "'standrad', at data.scale; did you mean 'standard'?"]),
    ("path: a.csv", "path: a.csv, split: {validation: 0.5, test: 0.5}",
     ["f:1:28: validation and test must leave a training part; 0.5 + 0.5 is all, at data.split"]),
    ("path: a.csv", "path: a.csv, validation: {path: b.csv}, split: {validation: 0.1}",
     ["f:1:33: validation is a source of its own, so split.validation must go, "
      "at data.validation"]),
    ("path: a.csv", "path: a.csv, test: {generate: xor, path: b.csv}",
     ["f:1:27: exactly one source of data is needed (path, inputs and targets, images and labels, "
      "generate), received path and generate, at data.test"]),
    ("loss:", "optimizer: {adam: {learning_rate: fast}}\nloss:",
     ["f:8:35: learning_rate must be a positive number, received the text 'fast', "
      "at optimizer.adam.learning_rate"]),
    ("loss:", "optimizer: {adam: {learning_rate: .inf}}\nloss:",
     ["f:8:35: learning_rate must be a positive number, received .inf, which is not finite, "
      "at optimizer.adam.learning_rate"]),
    ("loss:", "optimizer: {adam: {learning_rate: 1e999}}\nloss:",
     ["f:8:35: learning_rate must be a positive number, received 1e999, which is not finite, "
      "at optimizer.adam.learning_rate"]),
    ("loss:", "optimizer: {adam: {lr: 1}}\nloss:",
     ["f:8:20: unknown option 'lr' at optimizer.adam; did you mean 'learning_rate'?"]),
    ("loss:", "optimizer: {sgd: {nesterov: true}}\nloss:",
     ["f:8:29: nesterov needs a momentum above 0, at optimizer.sgd.nesterov"]),
    ("loss:", "optimizer: {sgd: {nesterov: yes}}\nloss:",
     ["f:8:29: nesterov must be true or false, received the text 'yes', "
      "at optimizer.sgd.nesterov; did you mean true?"]),
    ("loss:", "training: 3\nloss:",
     ["f:8:11: training must be a mapping with the keys epochs, batch_size, shuffle, clip_norm, "
      "clip_value, accumulate, l2, checkpoint_steps, early_stopping, received 3"]),
    ("loss:", "training: {epochs: 1e3}\nloss:",
     ["f:8:20: epochs must be a positive integer, received 1e3, at training.epochs"]),
    ("loss:", "training: {early_stopping: {patience: 3}}\nloss:",
     ["f:8:28: early_stopping watches validation.loss, but the data have no validation part; "
      "give data.split.validation or data.validation, at training.early_stopping"]),
    ("loss:", "seed: 12:30\nloss:",
     ["f:8:7: seed must be an integer of 0 or more, received the text '12:30'"]),
    ("loss:", "seed: -1\nloss:", ["f:8:7: seed must be an integer of 0 or more, received -1"]),
    ("loss:", "name: 12\nloss:",
     ["f:8:7: name must be a text, received 12; quotes make it a text"]),
    ("loss:", "traning: {epochs: 3}\nloss:",
     ["f:8:1: unknown option 'traning'; did you mean 'training'?"]),
    ("loss:", "diagnosis: {thresholds: {a: b}}\nloss:",
     ["f:8:29: a must be a number, received the text 'b', at diagnosis.thresholds.a"]),
]  # fmt: skip
WRONG = [case for case in WRONG if case[2]]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG, ids=[case[1][:40] for case in WRONG])
def test_what_is_wrong_is_said_with_place_path_and_a_way_out(
    old: str, new: str, expected: list[str]
) -> None:
    assert old in BASE
    assert problems_of(BASE.replace(old, new, 1)) == expected


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = BASE
    for old, new in (("a.csv", "&x a.csv"), ("dense: 4", "dense: x"), ("relu", "rleu"),
                     ("times: 3", "times: 0"), ("cross_entropy", "mse\nseed: x")):  # fmt: skip
        text = text.replace(old, new, 1)
    found = problems_of(text + "training: {epoch: 3, early_stopping: {metric: validation.mse}}\n")
    assert [line.split(":")[1] for line in found] == ["1", "3", "4", "6", "9", "10", "10"]


def test_rules_still_hold_where_other_options_are_broken() -> None:
    found = problems_of(
        BASE.replace("relu", "rleu") + "training: {early_stopping: {}}\n"
        "optimizer: {sgd: {learning_rate: x, nesterov: true}}\n"
    )
    assert [line.split(":")[1] for line in found] == ["4", "9", "10", "10"]


def test_a_file_without_anything_says_what_it_needs() -> None:
    expected = [f"f:1:1: {key} is missing" for key in ("data", "network", "loss")]
    assert problems_of("") == problems_of("# later\n") == expected


def test_problems_are_not_endless() -> None:
    found = problems_of(BASE + "".join(f"key{number}: 1\n" for number in range(5000)))
    assert len(found) == 101
    assert found[-1].endswith("more problems follow; mend these first")


def test_too_many_layers_in_all_are_refused() -> None:
    many = "  - repeat: {times: 4000, layers: [tanh]}\n" * 3
    assert problems_of(BASE.replace("loss:", many + "loss:")) == [
        "f:3:3: a network has at most 10,000 layers; written out these are 12,012, at network"
    ]


class Scale(bpcli.Layer):
    """y = x * scale."""

    name = "scale"
    start: float = 1.0
    steps: int = 3


class Positive(bpcli.Layer):
    """A layer whose constructor has a rule, and an option that is made anew for each."""

    name = "positive"
    size: float = field(default_factory=lambda: 2.0)

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"size must be above 0, received {self.size}")


class Odd(bpcli.Layer):
    """An option that no spec could fill."""

    name = "odd"
    shape: tuple[int, ...] = ()


def test_a_layer_of_the_users_own_is_read_like_ours() -> None:
    text = BASE.replace("- relu", "- scale: {start: 2, steps: 4, name: mine}")
    layer = parse_spec(text, layers={"scale": Scale}).network[1]
    assert isinstance(layer, Scale)
    assert (layer.start, layer.steps, layer.label) == (2.0, 4, "mine")
    short = parse_spec(BASE.replace("- relu", "- scale: 3"), layers={"scale": Scale}).network[1]
    assert isinstance(short, Scale)
    assert short.start == 3.0


def test_a_layer_of_the_users_own_is_unknown_without_its_file() -> None:
    (problem,) = problems_of(BASE.replace("- relu", "- scale"))
    assert problem.startswith("f:4:5: unknown layer 'scale' at network.1")


def test_mistakes_in_a_users_layer_keep_their_places() -> None:
    assert problems_of(BASE.replace("- relu", "- scale: x"), layers={"scale": Scale}) == [
        "f:4:12: start must be a number, received the text 'x', at network.1.scale.start"
    ]
    with pytest.raises(BpcliError, match=r"Odd\.shape: an option is annotated int, float"):
        parse_spec(BASE.replace("- relu", "- odd"), layers={"odd": Odd})


def test_a_users_layer_says_itself_what_it_refuses() -> None:
    bare = parse_spec(BASE.replace("- relu", "- positive"), layers={"positive": Positive})
    assert bare.network[1] == Positive(2.0)
    assert problems_of(BASE.replace("- relu", "- positive: -1"), layers={"positive": Positive}) == [
        "f:4:15: size must be above 0, received -1.0, at network.1.positive"
    ]


def test_plain_values_are_read_without_yaml() -> None:
    with pytest.raises(SpecError, match="value must be a number"):
        read_value("init", {"constant": 10**400})
    assert read_value("init", {"constant": 1}) == initializers.Constant(1.0)
    assert read_value("init", "he_normal") == initializers.HeNormal()
    assert read_value("init", {"values": np.eye(2)}) == initializers.Values(((1, 0), (0, 1)))
    assert read_value("init", initializers.Ones()) == initializers.Ones()
    assert read_value(Items(Number()), [1, np.float32(2)]) == (1.0, 2.0)
    constant = read_value("init", {"constant": np.float64(0.5)})
    assert type(constant.value) is float


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("he_norml", "unknown init 'he_norml' at init; did you mean 'he_normal'?"),
        (
            {"constant": "x"},
            "value must be a number, received the text 'x', at init.constant.value",
        ),
        (3, "init must be an init, received 3"),
        ({}, "init must be an init, received an empty mapping"),
    ],
)
def test_a_wrong_plain_value_says_so(value: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_value("init", value)
    assert str(caught.value) == message


def test_early_stopping_may_watch_the_training_part() -> None:
    text = BASE + "training: {early_stopping: {metric: train.loss}}\n"
    assert parse_spec(text).training.early_stopping == EarlyStopping("train.loss")
