"""`--set` and `--seed`: on the normal form, through the same checks as the file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpcli.spec import initializers, layers, optimization, parse_spec
from bpcli.spec.data import DataOptions, SourceOptions, Split, Xor
from bpcli.spec.model import EarlyStopping, Place, Spec, TrainingOptions

from .specs import BASE, problems_of

PLAIN = parse_spec(BASE)


def changed(*settings: str, text: str = BASE) -> Spec:
    return parse_spec(text, settings=settings)


def with_layer(index: int, layer: layers.LayerOptions) -> Spec:
    network = (*PLAIN.network[:index], layer, *PLAIN.network[index + 1 :])
    return replace(PLAIN, network=network)


NAMED = BASE.replace("dense: 4", "dense: {units: 4, name: first, init: zeros}", 1)


def test_a_value_sets_the_main_option_and_keeps_the_rest() -> None:
    layer = changed("network.0.dense=16", text=NAMED).network[0]
    assert layer == layers.Dense(16, label="first", init=initializers.Zeros())


def test_a_mapping_replaces_all_options() -> None:
    layer = changed("network.0.dense={units: 16}", text=NAMED).network[0]
    assert layer == layers.Dense(16)


@pytest.mark.parametrize(
    ("setting", "index", "layer"),
    [
        ("network.0.dense=16", 0, layers.Dense(16)),
        ("network.0.dense.units=16", 0, layers.Dense(16)),
        ("network.0=tanh", 0, layers.Tanh()),
        ("network.0={dense: 5}", 0, layers.Dense(5)),
        ("network.0.dense.init=he_normal", 0, layers.Dense(4, init=initializers.HeNormal())),
        ("network.0.dense.init={normal: {std: 1}}", 0,
         layers.Dense(4, init=initializers.Normal(1.0))),
        ("network.0.dense.bias=false", 0, layers.Dense(4, bias=False)),
        ("network.0.dense.bias={constant: 1}", 0, layers.Dense(4, bias=initializers.Constant(1))),
        ("network.0.dense.freeze=[weight]", 0, layers.Dense(4, freeze=("weight",))),
        ("network.1.relu={name: x}", 1, layers.Relu(label="x")),
        ("network.1.relu.name=x", 1, layers.Relu(label="x")),
        ("network.1.relu=", 1, layers.Relu()),
        ("network.2.residual.layers.1.dense.bias.constant=2", 2,
         layers.Residual((layers.LayerNorm(), layers.Dense(4, bias=initializers.Constant(2.0))))),
        ("network.2.residual.projection=true", 2,
         replace(PLAIN.network[2], projection=True)),
        ("network.2.residual=[tanh]", 2, layers.Residual((layers.Tanh(),))),
        ("network.3.repeat.times=2", 3, replace(PLAIN.network[3], times=2)),
        ("network.3.repeat=2", 3, replace(PLAIN.network[3], times=2)),
        ("network.4.dense.init.values=[[9]]", 4,
         layers.Dense(2, init=initializers.Values(((9.0,),)))),
        ("network.4.dense.init.values.values.1.0=9", 4,
         layers.Dense(2, init=initializers.Values(((1.0, 2.0), (9.0, 4.0))))),
    ],
)  # fmt: skip
def test_a_path_reaches_any_layer_and_option(
    setting: str, index: int, layer: layers.LayerOptions
) -> None:
    assert changed(setting) == with_layer(index, layer)


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        (["training.epochs=3"], {"training": TrainingOptions(epochs=3)}),
        (["optimizer.adam.learning_rate=1e-2"], {"optimizer": optimization.Adam(0.01)}),
        (["optimizer.adam=0.01"], {"optimizer": optimization.Adam(0.01)}),
        (["optimizer=sgd", "optimizer.sgd.momentum=0.9"],
         {"optimizer": optimization.Sgd(momentum=0.9)}),
        (["schedule.constant.warmup_steps=3"],
         {"schedule": optimization.ConstantRate(warmup_steps=3)}),
        (["loss={huber: 2}", "loss.huber.delta=3"], {"loss": optimization.Huber(3.0)}),
        (["seed=5"], {"seed": 5}),
        (["seed=5", "seed=6"], {"seed": 6}),
        (["name=a=b"], {"name": "a=b"}),
        (["name='no'"], {"name": "no"}),
        (["data={generate: xor}"], {"data": DataOptions(generate=Xor())}),
        (["data.path=null", "data.generate=xor"], {"data": DataOptions(generate=Xor())}),
        (["data.validation.path=b.csv"],
         {"data": DataOptions(path="a.csv", validation=SourceOptions(path="b.csv"))}),
        (["data.split.test=0.1", "training.early_stopping.patience=3",
          "training.early_stopping.metric=train.loss"],
         {"data": DataOptions(path="a.csv", split=Split(test=0.1)),
          "training": TrainingOptions(early_stopping=EarlyStopping("train.loss", 3))}),
        (["training={epochs: 3}", "training.early_stopping=null"],
         {"training": TrainingOptions(epochs=3)}),
    ],
)  # fmt: skip
def test_options_that_the_file_leaves_out_can_be_set(
    settings: list[str], difference: dict[str, object]
) -> None:
    assert changed(*settings) == replace(PLAIN, **difference)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("network.9=tanh", "there is no network.9; network has 5 items, from 0 to 4"),
        ("network.x=tanh", "network is a list, its items have numbers from 0, received 'x'"),
        ("network.-1=tanh", "network is a list, its items have numbers from 0, received '-1'"),
        ("network.1.relu=3", "relu takes no value, received 3"),
        ("network.1.tanh=3", "network.1 is relu, not tanh; network.1=tanh would replace it"),
        ("network.1.tahn=3", "unknown layer 'tahn' at network.1; did you mean 'tanh'?"),
        ("network.0.dense.unit=3",
         "unknown option 'unit' at network.0.dense; did you mean 'units'?"),
        ("network.0.dense.units.x=3",
         "network.0.dense.units has nothing inside, so there is no network.0.dense.units.x"),
        ("network.0.dense.bias.constant=1",
         "network.0.dense.bias is not given; set it whole, like "
         "network.0.dense.bias={constant: ...}"),
        ("network.0.dense.freeze.0=weight",
         "there is no network.0.dense.freeze.0; network.0.dense.freeze has no items"),
        ("network.0.dense=x",
         "units must be a positive integer, received the text 'x', at network.0.dense.units"),
        ("network.0.dense={unit: 3}",
         "unknown option 'unit' at network.0.dense; did you mean 'units'?"),
        ("network.0.dense={}", "units is missing, at network.0.dense"),
        ("trainig.epochs=3", "unknown option 'trainig'; did you mean 'training'?"),
        ("training.epochs=3.5",
         "epochs must be a positive integer, received 3.5, at training.epochs"),
        ("optimizer.sgd.learning_rate=1",
         "optimizer is adam, not sgd; optimizer=sgd would replace it"),
        ("optimizer.sgdd=1", "unknown optimizer 'sgdd' at optimizer; did you mean 'sgd'?"),
        ("optimizer={sgd:{momentum:0.9}}", "not valid YAML: a ':' must be followed by a space"),
        ("seed=&a 1", "anchors (&a) are not part of specs"),
        ("seed=[1", "not valid YAML: a list in [ ] lacks a ',' or its ']'"),
        ("seed=\x00", "the character U+0000 may not stand in YAML; is it text?"),
        ("diagnosis.thresholds.still_share.x=1", "diagnosis.thresholds.still_share has nothing "
         "inside, so there is no diagnosis.thresholds.still_share.x"),
        ("seed", "must be PATH=VALUE, like training.epochs=5"),
        ("=3", "must be PATH=VALUE, like training.epochs=5"),
        ("..=3", "unknown option ''; there are data, network, loss, name, seed, dtype, optimizer, "
         "schedule, training, diagnosis"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_says_why(setting: str, message: str) -> None:
    assert problems_of(BASE, settings=[setting]) == [f"--set {setting}: {message}"]


@pytest.mark.parametrize("setting", ["seed=" + "x" * 9999, "x" * 9999, "seed." * 999 + "x=1"])
def test_a_long_setting_is_shown_by_its_beginning(setting: str) -> None:
    (problem,) = problems_of(BASE, settings=[setting])
    assert problem.startswith(f"--set {setting[:57]}...: ")
    assert len(problem) < 250


def test_a_path_through_what_is_switched_off_is_no_silent_success() -> None:
    text = BASE.replace("{constant: 0.1}", "false")
    (problem,) = problems_of(text, settings=["network.2.residual.layers.1.dense.bias.ones.x=1"])
    assert "bias is false, so there is no " in problem


@pytest.mark.parametrize(
    ("before", "after", "setting", "message"),
    [
        ("loss: ", "diagnosis: {thresholds: 3}\nloss: ", "diagnosis.thresholds.still_share=0.3",
         "diagnosis.thresholds is 3, so there is no diagnosis.thresholds.still_share"),
        ("dense: 4", "dens: 4", "network.0.dens.units=3",
         "unknown layer 'dens' at network.0; did you mean 'dense'?"),
        ("- relu", "- relu: 3", "network.1.relu.slope=1",
         "network.1.relu is 3, so there is no network.1.relu.slope"),
        ("dense: 4", "dense: {units: 4, freeze: weight}", "network.0.dense.freeze.0=bias",
         "network.0.dense.freeze is the text 'weight', so there is no network.0.dense.freeze.0"),
        ("loss: cross", "schedule: *x\nloss: cross", "schedule.cosine.final=1",
         "schedule is something unreadable, so there is no schedule.cosine"),
    ],
)  # fmt: skip
def test_a_path_into_what_the_file_has_wrong(
    before: str, after: str, setting: str, message: str
) -> None:
    found = problems_of(BASE.replace(before, after, 1), settings=[setting])
    assert found[0] == f"--set {setting}: {message}"
    assert len(found) == 2  # and what is wrong in the file


def test_a_threshold_is_set_among_those_of_the_file() -> None:
    text = BASE + "diagnosis: {thresholds: {still_share: 0.2}}\n"
    spec = changed("diagnosis.thresholds.vanishing_ratio=0.1", text=text)
    assert spec.diagnosis.thresholds == (("still_share", 0.2), ("vanishing_ratio", 0.1))


def test_problems_of_file_and_settings_come_together() -> None:
    found = problems_of(BASE.replace("relu", "rleu"), settings=["seed=x", "sed=3"], seed=-1)
    assert found == [
        "--set sed=3: unknown option 'sed'; did you mean 'seed'?",
        "--seed -1: seed must be an integer of 0 or more, received -1",
        "f:4:5: unknown layer 'rleu' at network.1; did you mean 'relu'?",
    ]


def test_a_setting_can_mend_the_file() -> None:
    assert changed("network.1=relu", text=BASE.replace("relu", "rleu")) == PLAIN


def test_seed_is_set_last() -> None:
    assert parse_spec(BASE, settings=["seed=1"], seed=2).seed == 2


def test_what_was_set_has_the_place_of_what_is_around_it() -> None:
    source = changed("network.0.dense=16").source
    assert source.place("network.0.dense.units") == Place(3, 5)
    assert source.place("network.1") == Place(4, 5)
    assert changed("network.0=tanh").source.place("network.0.tanh") == Place(3, 3)
