"""`bpcli predict`: what a trained network says about examples without answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import layers_of, layers_option, message_parameters, run_argument

if TYPE_CHECKING:
    from bpcli.cli.runs import Trained
    from bpcli.data import Decoded, Part

_DIGITS = {"float32": 7, "float64": 15}


@click.command()
@run_argument
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--output", "-o", "to", metavar="FILE", type=click.Path(), help="Write here.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "json"]),
    help="csv, unless the name of the output ends in .json.",
)
@layers_option
@message_parameters
def command(
    run: str,
    file: str,
    to: str | None,
    kind: str | None,
    layers_file: str | None,
    output: Output,
) -> None:
    """Predict with the network of RUN for each example of FILE.

    RUN is a run directory; runs/NAME stands for its newest run. FILE is a table or an .npz with
    the inputs that the run was trained on; targets need not be there, other columns are ignored.
    Classes are called as in the data and come with their probabilities, numbers are in original
    units. One row, or object, for each example, in the order of FILE.

    \b
      bpcli predict runs/iris flowers.csv
      bpcli predict runs/iris flowers.csv --output predictions.json
    """
    from bpcli.cli.runs import open_trained, shown_path
    from bpcli.data import read_part
    from bpcli.report.predictions import Predictions
    from bpcli.training.files import write_atomic

    trained = open_trained(Path(run), layers_of(layers_file))
    output.warn(trained.warnings)
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
    if kind == "json" or (kind is None and to is not None and to.endswith(".json")):
        text = predictions.json(run=shown_path(trained.run.path), file=file)
    else:
        text = predictions.csv()
    if to is None:
        output.write(text)
    else:
        write_atomic(Path(to), text.encode())
        output.say(f"{len(part):,} predictions in {to}")


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
