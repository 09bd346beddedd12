"""What options must satisfy together, one rule a function.

A rule's parameters are the options that it looks at; it is asked when these could be read, even
if others could not. It returns what is wrong, or None.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpcli.spec.data import DataOptions, SourceOptions, Split
from bpcli.spec.initializers import Uniform
from bpcli.spec.layers import LayerOptions, Repeat
from bpcli.spec.model import Spec, TrainingOptions
from bpcli.spec.optimization import Sgd

LARGEST_NETWORK = 10_000  # layers

Rule = Callable[..., str | None]


@dataclass(frozen=True)
class Check:
    """A rule on the options of a model class; ``at`` is the path that the message stands at."""

    rule: Rule
    at: str
    options: tuple[str, ...]


_CHECKS: dict[type, list[Check]] = {}


def check(model: type, at: str = "") -> Callable[[Rule], Rule]:
    """Registers a rule for the model class and those derived from it."""

    def register(rule: Rule) -> Rule:
        options = tuple(inspect.signature(rule).parameters)
        _CHECKS.setdefault(model, []).append(Check(rule, at, options))
        return rule

    return register


def violations(model: type, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, message) of each rule that the values break; some values may be missing."""
    for ancestor in model.__mro__:
        for entry in _CHECKS.get(ancestor, ()):
            if all(option in values for option in entry.options):
                message = entry.rule(**{option: values[option] for option in entry.options})
                if message:
                    yield entry.at, message


@check(SourceOptions)
def one_source(
    path: str | None,
    inputs: str | None,
    targets: str | None,
    images: str | None,
    labels: str | None,
    generate: Any,
) -> str | None:
    given = {
        "path": path is not None,
        "inputs and targets": path is None and (inputs is not None or targets is not None),
        "images and labels": images is not None or labels is not None,
        "generate": generate is not None,
    }
    named = [source for source, is_given in given.items() if is_given]
    if len(named) == 1:
        return None
    received = " and ".join(named) or "none"
    return f"exactly one source of data is needed ({', '.join(given)}), received {received}"


@check(SourceOptions, at="inputs")
def inputs_with_targets(path: str | None, inputs: str | None, targets: str | None) -> str | None:
    if path is not None or (inputs is None) == (targets is None):
        return None
    return "inputs and targets go together, each a .npy file"


@check(SourceOptions, at="images")
def images_with_labels(images: str | None, labels: str | None) -> str | None:
    if (images is None) == (labels is None):
        return None
    return "images and labels go together, each an IDX file"


@check(SourceOptions, at="inputs")
def array_names(path: str | None, inputs: str | None, targets: str | None) -> str | None:
    if path is None or _ending(path) == ".npz" or (inputs is None and targets is None):
        return None
    return (
        "inputs and targets name arrays of an .npz, or are .npy files without a path; "
        "the columns of a table are named by features and target"
    )


@check(SourceOptions, at="target")
def target_of_a_table(path: str | None, target: Any) -> str | None:
    return _only_for_tables("target", path, target)


@check(SourceOptions, at="features")
def features_of_a_table(path: str | None, features: Any) -> str | None:
    return _only_for_tables("features", path, features)


@check(SourceOptions, at="header")
def header_of_a_table(path: str | None, header: Any) -> str | None:
    return _only_for_tables("header", path, header)


@check(DataOptions, at="missing")
def missing_where_gaps_can_be(path: str | None, inputs: Any, missing: Any) -> str | None:
    if missing is None or _ending(path) == ".npz" or (path is None and inputs is not None):
        return None
    if path is not None and _ending(path) != ".txt":
        return None
    return "missing is for tables and arrays, in which a value can be missing"


@check(DataOptions, at="sequence_length")
def sequence_length_of_a_text(path: str | None, sequence_length: int | None) -> str | None:
    if (_ending(path) == ".txt") is (sequence_length is not None):
        return None
    if sequence_length is not None:
        return "sequence_length is for text (a path to a .txt)"
    return "a text needs a sequence_length, the characters of an example: sequence_length: 64"


@check(DataOptions, at="window")
def window_over_a_table(path: str | None, window: int | None) -> str | None:
    return _only_for_tables("window", path, window)


@check(DataOptions, at="horizon")
def horizon_with_window(window: int | None, horizon: int | None) -> str | None:
    if horizon is None or window is not None:
        return None
    return "horizon is how many rows are forecast from a window, so it needs window"


@check(DataOptions, at="shape")
def shape_of_single_examples(
    shape: Any, sequence_length: int | None, window: int | None
) -> str | None:
    if shape is None or (sequence_length is None and window is None):
        return None
    return "shape is not for text and series; the layer flatten makes one row of a window"


@check(DataOptions, at="scale")
def scale_of_numbers(sequence_length: int | None, scale: Any) -> str | None:
    if sequence_length is None or scale == "none":
        return None
    return "scale is for numbers; the inputs of a text are codes of characters"


@check(DataOptions, at="target_scale")
def target_scale_of_numbers(sequence_length: int | None, target_scale: Any) -> str | None:
    if sequence_length is None or target_scale == "none":
        return None
    return "target_scale is for numbers; the targets of a text are characters"


def _only_for_tables(option: str, path: str | None, value: Any) -> str | None:
    if value is None or (path is not None and _ending(path) not in (".npz", ".txt")):
        return None
    return f"{option} is for tables (a path to a .csv)"


def _ending(path: str | None) -> str:
    """The ending that says what is in a file: ".csv" of data.CSV.gz."""
    endings = [ending.lower() for ending in Path(path or "").suffixes]
    return next((ending for ending in reversed(endings) if ending != ".gz"), "")


@check(Split)
def something_left_to_train_on(validation: float, test: float) -> str | None:
    if validation + test < 1:
        return None
    return f"validation and test must leave a training part; {validation:g} + {test:g} is all"


@check(DataOptions, at="validation")
def one_validation_part(validation: Any, split: Split) -> str | None:
    return _given_twice("validation", validation, split.validation)


@check(DataOptions, at="test")
def one_test_part(test: Any, split: Split) -> str | None:
    return _given_twice("test", test, split.test)


def _given_twice(part: str, source: Any, share: float) -> str | None:
    if source is None or not share:
        return None
    return f"{part} is a source of its own, so split.{part} must go"


@check(Sgd, at="nesterov")
def nesterov_needs_momentum(nesterov: bool, momentum: float) -> str | None:
    return "nesterov needs a momentum above 0" if nesterov and not momentum else None


@check(Uniform, at="low")
def low_below_high(low: float, high: float) -> str | None:
    return None if low < high else f"low must be below high, received {low:g} and {high:g}"


@check(Repeat, at="times")
def small_enough_when_written_out(times: int, layers: tuple[LayerOptions, ...]) -> str | None:
    return _too_many(times * written_out(layers))


@check(Spec, at="network")
def small_enough(network: tuple[LayerOptions, ...]) -> str | None:
    return _too_many(written_out(network))


def _too_many(count: int) -> str | None:
    if count <= LARGEST_NETWORK:
        return None
    return f"a network has at most {LARGEST_NETWORK:,} layers; written out these are {count:,}"


def written_out(layers: tuple[LayerOptions, ...]) -> int:
    """How many layers there are when every `repeat` is written out."""
    total = 0
    for layer in layers:
        inner = written_out(getattr(layer, "layers", ()))
        total += layer.times * inner if isinstance(layer, Repeat) else 1 + inner
    return total


@check(Spec, at="training.early_stopping")
def early_stopping_has_what_it_watches(data: DataOptions, training: TrainingOptions) -> str | None:
    stopping = training.early_stopping
    if stopping is None or stopping.metric.startswith("train."):
        return None
    if data.validation is not None or data.split.validation:
        return None
    return (
        f"early_stopping watches {stopping.metric}, but the data have no validation part; give "
        "data.split.validation or data.validation"
    )
