"""`bpcli predict`: what a trained network says about examples without answers, or writes."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpcli.cli.output import Output
from bpcli.cli.pages import ResultFile
from bpcli.cli.parameters import (
    Integer,
    Number,
    layers_of,
    layers_option,
    message_parameters,
    run_argument,
)

if TYPE_CHECKING:
    from bpcli.cli.runs import Trained
    from bpcli.data import Decoded, Part

_DIGITS = {"float32": 7, "float64": 15}


@click.command()
@run_argument
@click.argument("given", metavar="[FILE|PROMPT]", required=False)
@click.option("--output", "-o", "to", metavar="FILE", type=ResultFile(), help="Write here.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "text", "json"]),
    help="csv, for a run on text: text; json if the name of the output ends so.",
)
@click.option("--length", metavar="N", type=Integer(1), help="Characters to write; 500.")
@click.option(
    "--temperature",
    metavar="T",
    type=Number(0),
    help="How daring: 1 as it was learned, 0 always the most likely character; 1.",
)
@click.option("--seed", metavar="N", type=Integer(0), help="Of the characters drawn; 0.")
@layers_option
@message_parameters
def command(
    run: str,
    given: str | None,
    to: str | None,
    kind: str | None,
    layers_file: str | None,
    output: Output,
    **writing: Any,
) -> None:
    """Predict with the network of RUN for each example of FILE; or write a text.

    RUN is a run directory; runs/NAME stands for its newest run. FILE is a table or an .npz with
    the inputs that the run was trained on; targets need not be there, other columns are ignored.
    Classes are called as in the data and come with their probabilities, numbers are in original
    units. One row, or object, for each example, in the order of FILE.

    A run on text takes no FILE: it goes on from PROMPT, if there is one, for --length characters.

    \b
      bpcli predict runs/iris flowers.csv
      bpcli predict runs/iris flowers.csv --output predictions.json
      bpcli predict runs/moby_dick_lstm "Call me" --length 200 --temperature 0.7
    """
    from bpcli.cli.runs import open_trained, shown_path

    trained = open_trained(Path(run), layers_of(layers_file))
    output.warn(trained.warnings)
    writes = trained.preparation.characters is not None
    _check_usage(writes, given, kind, writing)
    if kind is None:
        json = to is not None and to.endswith(".json")
        kind = "json" if json else "text" if writes else "csv"
    name = shown_path(trained.run.path)
    if writes:
        _write_on(trained, given or "", kind, name, to, output, writing)
    else:
        assert given is not None
        _predict(trained, given, kind, name, to, output)


def _check_usage(
    writes: bool, given: str | None, kind: str | None, writing: dict[str, Any]
) -> None:
    if writes and kind == "csv":
        raise click.UsageError("a run on text writes text or json, not csv")
    if writes:
        return
    if given is None:
        raise click.UsageError("FILE is needed: the examples to predict for")
    asked = [f"--{option}" for option, value in writing.items() if value is not None]
    if asked or kind == "text":
        raise click.UsageError(
            f"{asked[0] if asked else '--format text'} is for runs on text, "
            "this one was trained on examples"
        )


def _predict(
    trained: Trained, file: str, kind: str, name: str, to: str | None, output: Output
) -> None:
    """A row, or object, for each example of the file."""
    from bpcli.data import read_part
    from bpcli.report.predictions import Predictions
    from bpcli.report.text import plural

    # a row that is left out would shift all that follow, so gaps are filled or refused
    data = replace(trained.spec.data, missing=_filling(trained.spec.data.missing))
    part = read_part(
        replace(trained.spec, data=data), trained.preparation, Path(file), targets=False
    )
    predictions = Predictions(
        _decoded(trained, part),
        probabilities=trained.preparation.targets.logits,
        digits=_DIGITS[trained.spec.dtype],
    )
    text = predictions.json(run=name, file=file) if kind == "json" else predictions.csv()
    _deliver(text, to, output, plural(len(part), "prediction"))


def _write_on(
    trained: Trained,
    prompt: str,
    kind: str,
    name: str,
    to: str | None,
    output: Output,
    writing: dict[str, Any],
) -> None:
    """The prompt and what the network makes of it; shown as it comes."""
    from bpcli.report.text import plural
    from bpcli.training.files import to_json
    from bpcli.training.generation import generate

    options: dict[str, Any] = {"length": 500, "temperature": 1.0, "seed": 0}
    options |= {option: value for option, value in writing.items() if value is not None}
    characters = generate(trained.network, trained.preparation, prompt, **options)
    if kind == "text" and to is None:
        for piece in chain((prompt,), characters, ("\n",)):
            output.write(_shown(piece, output))
        return
    text = prompt + "".join(characters)
    if kind == "json":
        text = to_json({"run": name, "prompt": prompt, **options, "text": text}, indent=2)
    _deliver(text + "\n", to, output, plural(options["length"], "character"))


def _deliver(text: str, to: str | None, output: Output, what: str) -> None:
    from bpcli.training.files import write_result

    if to is None:
        output.write(_shown(text, output))
    else:
        write_result(Path(to), text.encode())
        output.say(f"{what} in {to}")


def _shown(text: str, output: Output) -> str:
    """As it is for programs; a terminal would obey its control characters."""
    from bpcli.report.text import printable

    return printable(text) if output.environment.stdout_is_terminal else text


def _filling(missing: str | None) -> str | None:
    return None if missing == "drop" else missing


def _decoded(trained: Trained, part: Part) -> Decoded:
    """The outputs for all examples, in the words of the data."""
    import numpy as np

    from bpcli.training.metrics import evaluation_batch_size

    size = evaluation_batch_size(trained.network, trained.spec.training.batch_size)
    with np.errstate(all="ignore"):
        outputs = [
            trained.network.predict(part.slice(start, start + size)[0])
            for start in range(0, len(part), size)
        ]
        return trained.preparation.targets.decode(np.concatenate(outputs))
