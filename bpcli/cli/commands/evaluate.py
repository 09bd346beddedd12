"""`bpcli evaluate`: a trained network on data with known answers."""

from __future__ import annotations

from pathlib import Path

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import layers_of, layers_option, output_parameters, run_argument

PARTS = ("train", "validation", "test")


@click.command()
@run_argument
@click.option("--data", "file", metavar="FILE", type=click.Path(), help="Measure on this file.")
@click.option("--part", type=click.Choice(PARTS), help="Measure on one part of the run's data.")
@layers_option
@output_parameters
def command(
    run: str, file: str | None, part: str | None, layers_file: str | None, output: Output
) -> None:
    """Measure the network of RUN on its own data, or on FILE.

    RUN is a run directory; runs/NAME stands for its newest run. The weights are the best ones, by
    the validation part where there is one, else the last. FILE is read as the run's own data
    were: the same columns, classes and scaling; its format is that of `path:` in a spec.
    """
    if file is not None and part is not None:
        raise click.UsageError("--data and --part exclude each other")
    from bpcli.cli.runs import different_data, open_trained, shown_path
    from bpcli.data import load_data, read_part
    from bpcli.errors import DataError
    from bpcli.report.evaluation import evaluation_report
    from bpcli.training import evaluate

    trained = open_trained(Path(run), layers_of(layers_file))
    spec, preparation = trained.spec, trained.preparation
    output.warn(trained.warnings)
    if file is not None:
        parts = {"data": read_part(spec, preparation, Path(file))}
    else:
        dataset = load_data(spec, preparation)
        output.warn(different_data(trained, dataset))
        parts = dataset.parts
    if part is not None and part not in parts:
        raise DataError(f"the data of this run have no {part} part; it has {', '.join(parts)}")
    wanted = {name: each for name, each in parts.items() if part in (None, name)}
    figures = {
        name: evaluate(trained.network, each, preparation.targets, spec.training.batch_size)
        for name, each in wanted.items()
    }
    sizes = {name: len(each) for name, each in wanted.items()}
    path = shown_path(trained.run.path)
    output.show(evaluation_report(path, trained.epoch, trained.steps, figures, sizes))
