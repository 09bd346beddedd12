"""Changes in a text: the spec that was meant, every comment kept, nothing else touched."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bpcli.errors import SpecError
from bpcli.spec import options, parse_spec
from bpcli.spec.changes import Change, find, make
from bpcli.spec.dump import plain_value
from bpcli.spec.edit import EditError, edit, unified_diff
from bpcli.spec.editing.edits import Edits, Overlap
from bpcli.spec.editing.layout import Layout
from bpcli.spec.model import FAMILIES, Spec
from bpcli.spec.options import options_of
from bpcli.spec.read import families_with, read_spec
from bpcli.spec.yaml import read_yaml

from .layouts import layouts, plain_spec
from .strategies import of_kind, specs

LAYER = options.Choice("layer")


def new_layer(depth: int = 1) -> st.SearchStrategy[Any]:
    return of_kind(LAYER, depth).map(lambda layer: plain_value(layer, LAYER))


def lists_of(layers: list[Any], path: str) -> list[tuple[str, list[Any]]]:
    """The path of every list of layers, in normal form, with what it holds."""
    found = [(path, layers)]
    for index, layer in enumerate(layers):
        if isinstance(layer, dict):
            ((name, given),) = layer.items()
            if "layers" in given:
                found += lists_of(given["layers"], f"{path}.{index}.{name}.layers")
    return found


@st.composite
def changes(draw: Any, spec: Spec) -> Change:
    """Any change of a spec, of its layers more often than of the rest."""
    path, layers = draw(st.sampled_from(lists_of(plain_spec(spec)["network"], "network")))
    start = draw(st.integers(0, len(layers) - 1))
    stop = draw(st.integers(start + 1, len(layers)))
    kind = draw(
        st.sampled_from(["layer", "option", "insert", "remove", "wrap", "section", "remove option"])
    )
    match kind:
        case "layer":
            return Change("set", f"{path}.{start}", draw(new_layer()))
        case "insert":
            at = draw(st.integers(0, len(layers)))
            return Change("insert", f"{path}.{at}", draw(new_layer()))
        case "remove":
            return Change("remove", f"{path}.{start}")
        case "wrap":
            outer = draw(
                st.sampled_from(
                    ["residual", {"residual": {"projection": True}}, {"repeat": {"times": 2}}]
                )
            )
            places = [f"{path}.{start}", f"{path}.{start}:{stop}", path]
            return Change("wrap", draw(st.sampled_from(places)), outer)
        case "section":
            option = draw(
                st.sampled_from([o for o in options_of(Spec) if o.key not in ("network", "data")])
            )
            value = plain_value(draw(of_kind(option.kind, 0)), option.kind)
            return Change("set", option.key, value)
    name = layers[start] if isinstance(layers[start], str) else next(iter(layers[start]))
    where, model = f"{path}.{start}.{name}", FAMILIES["layer"][name]
    if draw(st.booleans()):
        section = draw(
            st.sampled_from([o for o in options_of(Spec) if isinstance(o.kind, options.Record)])
        )
        where, model = section.key, section.kind.model
    option = draw(st.sampled_from(options_of(model)))
    if kind == "remove option":
        return Change("remove", f"{where}.{option.key}")
    value = plain_value(draw(of_kind(option.kind, 0)), option.kind)
    return Change("set", f"{where}.{option.key}", value)


@st.composite
def cases(draw: Any) -> tuple[str, Spec, Change]:
    spec = draw(specs())
    text = draw(layouts(spec))
    assume(_reads_as(text, spec))
    change = draw(changes(spec))
    assume("<<" not in str(change.value))  # no key can be that, in quotes or not
    return text, spec, change


def _reads_as(text: str, spec: Spec) -> bool:
    """The writer may say what only looks like a main option."""
    try:
        return parse_spec(text, name=spec.name) == spec
    except SpecError:
        return False


def intended(text: str, *changes: Change) -> Spec | None:
    root, _ = read_yaml(text, "f")
    try:
        changed = make(root, changes, families_with(None))
        return read_spec(changed, file="f", folder=Path(), name="")
    except SpecError:
        return None


def comments_of(text: str) -> list[str]:
    root, _ = read_yaml(text, "f")
    return sorted(text[start:stop].strip() for start, stop in Layout(text, root).comments)


def lines_around(text: str, change: Change) -> tuple[int, int]:
    """How many lines stand before, and how many after, what the change may touch."""
    root, _ = read_yaml(text, "f")
    layout, path = Layout(text, root), change.path
    if change.op != "set":
        path = path.rpartition(".")[0] if path != "network" else path
    while (node := find(root, path)) is None or node.start.line == 0:
        path = path.rpartition(".")[0]
    start = node.start.offset
    if path and isinstance(parent := find(root, path.rpartition(".")[0]), type(root)):
        entry = parent.find(path.rpartition(".")[2])  # type: ignore[union-attr]
        start = entry[0].start.offset if entry else start
    end = layout.line_end(layout.end(node))
    return len(lines(text[: layout.line_start(start)])) - 1, len(lines(text[end:])) - 1


def lines(text: str) -> list[str]:
    return re.split("\r\n|[\n\r\x85\u2028\u2029]", text)


PATIENT = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@PATIENT
@given(cases())
def test_any_change_in_any_layout(case: tuple[str, Spec, Change]) -> None:
    text, _, change = case
    meant = intended(text, change)
    assume(meant is not None)
    edited = edit(text, [change])
    assert read_spec(read_yaml(edited, "f")[0], file="f", folder=Path(), name="") == meant
    assert comments_of(edited) == comments_of(text)
    before, after = lines_around(text, change)
    assert lines(edited)[:before] == lines(text)[:before]
    assert after == 0 or lines(edited)[-after:] == lines(text)[-after:]


SMALL = st.sampled_from(
    ["relu", "tanh", {"dense": {"units": 4}},
     {"dense": {"units": 8, "init": {"normal": {"std": 0.01}}}},
     {"residual": {"layers": ["layer_norm", {"dense": {"units": 4}}]}},
     {"repeat": {"times": 3, "layers": [{"dense": {"units": 4}}, "sigmoid", "batch_norm"]}}]
)  # fmt: skip


@st.composite
def remedies(draw: Any) -> tuple[str, list[Change]]:
    """A network of several layers, and changes one after the other, each on what the last made."""
    network = draw(st.lists(SMALL, min_size=2, max_size=6))
    base = {"data": {"generate": "xor"}, "network": network, "loss": "mse",
            "training": {"epochs": 3, "batch_size": 4}}  # fmt: skip
    text = draw(layouts(parse_spec(json.dumps(base))))
    spec, made = parse_spec(text), []
    for _ in range(draw(st.integers(1, 4))):
        change = draw(changes(spec))
        meant = intended(text, *made, change)
        assume(meant is not None and "<<" not in str(change.value))
        made.append(change)
        spec = meant
    return text, made


@PATIENT
@given(remedies())
def test_several_changes_one_after_the_other(case: tuple[str, list[Change]]) -> None:
    text, made = case
    edited = edit(text, made)
    assert parse_spec(edited) == replace(intended(text, *made), name=parse_spec(edited).name)
    assert comments_of(edited) == comments_of(text)


SPEC = """\
data:
  path: a.csv   # the path
  validation: {path: b.csv}
network:
  - dense:
      units: 40   # wide
      init:   # why
        normal: {std: 0.01}   # small
  - relu   # bent
  - residual: [layer_norm, {dense: {units: 4, bias: {constant: 0.1}}}]
  # about the rest
  - repeat: {times: 3, layers: [{dense: 32}, tanh]}
  - dense: 4   # last
  - softmax   # no
loss: cross_entropy
optimizer:
  adam: {learning_rate: 1e-3}
training: {epochs: 1, batch_size: 64}   # fast
"""


@pytest.mark.parametrize(
    ("change", "gone", "come"),
    [
        (Change("set", "network.1", "tanh"), "relu   # bent", "tanh   # bent"),
        (Change("set", "network.1", {"leaky_relu": 0.2}), "relu ", "leaky_relu: 0.2 "),
        (Change("set", "network.1.relu.name", "r"), "relu ", "relu: {name: r} "),
        (Change("set", "network.0.dense.units", 50), "units: 40 ", "units: 50 "),
        (Change("set", "network.4.dense.units", 5), "dense: 4 ", "dense: 5 "),
        (Change("set", "network.4.dense", 5), "dense: 4 ", "dense: 5 "),
        (Change("set", "network.4.dense.init", "zeros"),
         "dense: 4 ", "dense: {units: 4, init: zeros} "),
        (Change("set", "network.0.dense.init", "he_normal"),
         "init:   # why\n        normal: {std: 0.01}   # small",
         "init: he_normal   # why\n        # small"),
        (Change("set", "network.0.dense.bias", False),
         "# small\n", "# small\n      bias: false\n"),
        (Change("set", "network.3.repeat.layers.0.dense.init", {"orthogonal": {"gain": 1.5}}),
         "{dense: 32}", "{dense: {units: 32, init: {orthogonal: {gain: 1.5}}}}"),
        (Change("set", "optimizer.adam.learning_rate", 0.01), "1e-3", "0.01"),
        (Change("set", "optimizer", {"sgd": {"learning_rate": 0.1}}),
         "optimizer:\n  adam: {learning_rate: 1e-3}", "optimizer: {sgd: {learning_rate: 0.1}}"),
        (Change("set", "training.clip_norm", 1.0), "64}", "64, clip_norm: 1.0}"),
        (Change("set", "data.scale", "standard"), "b.csv}\n", "b.csv}\n  scale: standard\n"),
        (Change("set", "schedule.constant.warmup_steps", 9),
         "# fast\n", "# fast\nschedule:\n  constant: {warmup_steps: 9}\n"),
        (Change("insert", "network.0", "layer_norm"), "  - dense:\n",
         "  - layer_norm\n  - dense:\n"),
        (Change("insert", "network.3", {"batch_norm": {"momentum": 0.2}}),
         "  - repeat", "  - batch_norm: {momentum: 0.2}\n  - repeat"),
        (Change("insert", "network.6", "tanh"), "# no\n", "# no\n  - tanh\n"),
        (Change("insert", "network.2.residual.layers.0", "tanh"), "[layer", "[tanh, layer"),
        (Change("insert", "network.3.repeat.layers.2", "relu"), "tanh]", "tanh, relu]"),
        (Change("remove", "network.5"), "- softmax   # no", "# no"),
        (Change("remove", "network.2.residual.layers.0"), "[layer_norm, ", "["),
        (Change("remove", "network.3.repeat.layers.1"), "}, tanh]", "}]"),
        (Change("remove", "training.epochs"), "{epochs: 1, ", "{"),
        (Change("remove", "data.validation"), "  validation: {path: b.csv}\n", ""),
        (Change("wrap", "network.3.repeat.layers", "residual"),
         "[{dense: 32}, tanh]", "[{residual: [{dense: 32}, tanh]}]"),
        (Change("wrap", "network.4", {"residual": {"projection": True}}),
         "  - dense: 4 ",
         "  - residual:\n      projection: true\n      layers:\n        - dense: 4 "),
        (Change("wrap", "network.1:3", "residual"),
         "  - relu   # bent\n  - residual",
         "  - residual:\n      - relu   # bent\n      - residual"),
    ],
    ids=str,
)  # fmt: skip
def test_a_change_reads_as_if_made_by_hand(change: Change, gone: str, come: str) -> None:
    assert SPEC.count(gone) == 1
    assert edit(SPEC, [change]) == SPEC.replace(gone, come)


def test_brackets_over_several_lines_stay_so() -> None:
    text = """\
data: {generate: xor}
network: [
  dense: 4,   # one
  relu,
  softmax   # two
]
loss: mse
"""
    edited = edit(
        text, [Change("insert", "network.1", "tanh"), Change("insert", "network.4", "relu")]
    )
    assert edited == text.replace(
        "  relu,\n  softmax   # two", "  tanh,\n  relu,\n  softmax,   # two\n  relu"
    )
    assert edit(edited, [Change("remove", "network.3")]) == edited.replace(
        "softmax,   # two", "# two"
    )


TOP, REST = "data: {generate: xor}\n", "network:\n  - dense: 2\nloss: mse\n"


@pytest.mark.parametrize(
    ("text", "change", "gone", "come"),
    [
        (TOP + REST + "name: |-\n  a net\n", Change("set", "seed", 3),
         "a net\n", "a net\nseed: 3\n"),
        (TOP + "network:\n  - dense: 2\n  - >-  # why\n    relu\nloss: mse\n",
         Change("insert", "network.2", "tanh"), "    relu\n", "    relu\n  - tanh\n"),
        (TOP + "network:\n  - dense: 2\nloss: >-\n  mse\nseed: 3\n",
         Change("set", "loss", {"huber": {"delta": 2.0}}),
         "loss: >-\n  mse\n", "loss: {huber: {delta: 2.0}}\n"),
        (TOP + "network:\n  - dense:\n      units: 1\n      init:\n        values:\n"
         "          - - 1\n            - 2\nloss: mse\n",
         Change("remove", "network.0.dense.init.values.values.0.0"),
         "- - 1\n            - 2", "- - 2"),
        (TOP + REST + "training: {}\n", Change("set", "training.epochs", 3), "{}", "{epochs: 3}"),
        (TOP + REST + "training: {epochs: 3}\n", Change("remove", "training.epochs"),
         "{epochs: 3}", "{}"),
        (TOP + "network: [dense: 2, relu, ]\nloss: mse\n", Change("insert", "network.2", "tanh"),
         "relu, ]", "relu, tanh ]"),
        (TOP + "network: [\n  dense: 2,\n  relu]\nloss: mse\n",
         Change("insert", "network.2", "tanh"), "  relu]", "  relu,\n  tanh]"),
        (TOP + "network:\n  - repeat: {times: 2, layers: [relu, tanh]}\nloss: mse\n",
         Change("set", "network.0.repeat.layers", ["relu", {"dense": 3}, "sigmoid", "tanh"]),
         "[relu, tanh]", "[relu, {dense: 3}, sigmoid, tanh]"),
        (TOP + "network:\n  - dense: 2\n\n  - relu\nloss: mse\n",
         Change("wrap", "network", "residual"), "  - dense: 2\n\n  - relu\n",
         "  - residual:\n      - dense: 2\n\n      - relu\n"),
        (TOP + REST + "schedule:   # none\n", Change("set", "schedule", "cosine"),
         "schedule:   #", "schedule: cosine   #"),
        ("data: {generate: xor, validation: {generate: xor}}\n" + REST,
         Change("set", "data.validation", None), "{generate: xor}}", "null}"),
    ],
    ids=lambda value: str(value) if isinstance(value, Change) else "",
)  # fmt: skip
def test_rare_layouts(text: str, change: Change, gone: str, come: str) -> None:
    assert text.count(gone) == 1
    assert edit(text, [change]) == text.replace(gone, come)


def test_two_edits_of_one_place_are_refused() -> None:
    edits = Edits(Layout(TOP, read_yaml(TOP, "f")[0]))
    edits.replace(0, 4, "a")
    edits.replace(2, 6, "b")
    with pytest.raises(Overlap, match="two edits fall on the same place"):
        edits.made()


def test_a_text_that_says_something_else_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the editor does wrong, the spec is read back before it is believed."""
    module = import_module("bpcli.spec.edit")
    monkeypatch.setattr(module, "_edited", lambda text, *rest: text)
    with pytest.raises(EditError, match="read back, the text says something else"):
        edit(TOP + REST, [Change("set", "seed", 3)])


def test_what_is_said_already_stays_as_it_is_written() -> None:
    assert edit(SPEC, [Change("set", "optimizer.adam.learning_rate", 0.001)]) == SPEC


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Change("set", "network.9", "tanh"),
         "network.9: tanh: there is no network.9; network has 6 items, from 0 to 5"),
        (Change("set", "network.1", "rleu"),
         "network.1: rleu: unknown layer 'rleu' at network.1; did you mean 'relu'?"),
        (Change("insert", "network.9", "tanh"),
         "insert tanh at network.9: cannot be done: the list has 6 items"),
        (Change("remove", "training.l2"),
         "remove training.l2: cannot be done: nothing stands there"),
        (Change("remove", "network.x"), "remove network.x: cannot be done: nothing stands there"),
        (Change("wrap", "network.4:3", "residual"),
         "wrap network.4:3 in residual: cannot be done: the list has 6 items"),
        (Change("insert", "network", "relu"),
         "insert relu at network: cannot be done: it names no place in the list"),
        (Change("wrap", "network.1", {"residual": {"layers": ["relu"]}}),
         "wrap network.1 in {residual: {layers: [relu]}}: cannot be done: a wrap names the outer "
         "layer: residual, or {residual: {projection: true}}"),
        (Change("wrap", "network.1", 3), "wrap network.1 in 3: cannot be done: a wrap names the "
         "outer layer: residual, or {residual: {projection: true}}"),
    ],
    ids=str,
)  # fmt: skip
def test_a_change_that_cannot_be_says_why(change: Change, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        edit(SPEC, [change])
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_what_cannot_be_written_is_shown_and_left() -> None:
    """A key that YAML 1.1 reads as a merge can be set, but no text can say it."""
    change = Change("set", "diagnosis.thresholds", {"<<": 1.0})
    with pytest.raises(
        EditError, match="nothing was written, make it by hand:\n  diagnosis"
    ) as error:
        edit(SPEC, [change], file="a.yaml")
    assert str(error.value).startswith("a.yaml: ")


def test_the_difference_is_one_that_patch_takes() -> None:
    edited = edit(SPEC.rstrip("\n"), [Change("set", "training.epochs", 2)])
    assert (
        unified_diff(SPEC.rstrip("\n"), edited, "a.yaml")
        == """\
--- a.yaml
+++ a.yaml
@@ -15,4 +15,4 @@
 loss: cross_entropy
 optimizer:
   adam: {learning_rate: 1e-3}
-training: {epochs: 1, batch_size: 64}   # fast
\\ No newline at end of file
+training: {epochs: 2, batch_size: 64}   # fast
\\ No newline at end of file
"""
    )
    assert unified_diff(SPEC, SPEC, "a.yaml") == ""
