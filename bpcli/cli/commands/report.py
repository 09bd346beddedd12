"""`bpcli report RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpcli.cli.output import Output
from bpcli.cli.pages import write_page
from bpcli.cli.parameters import layers_of, layers_option, message_parameters, run_argument

if TYPE_CHECKING:
    from bpcli.diagnosis.diagnosis import Diagnosis
    from bpcli.training import RunDirectory


@click.command()
@run_argument
@click.option(
    "--html",
    "file_",
    metavar="FILE",
    type=click.Path(),
    help="Where the page goes; default: report.html in the run directory. - is standard output.",
)
@layers_option
@message_parameters
def command(run: str, file_: str | None, layers_file: str | None, output: Output) -> None:
    """Write a page about a run: findings, results, curves, how gradients flowed.

    One HTML file that works offline, in dark and light, on paper, by keyboard and by screen
    reader; every picture has its table of numbers.
    """
    from bpcli.report.html.run import run_page
    from bpcli.training import RunDirectory

    directory = RunDirectory.open(Path(run))
    text = run_page(directory, _diagnosis(directory, layers_file))
    if file_ == "-":
        output.write(text)
        return
    path = Path(file_) if file_ else directory.path / "report.html"
    write_page(path, text)
    output.write(f"{path}\n")


def _diagnosis(run: RunDirectory, layers_file: str | None) -> Diagnosis | None:
    """None of a run that has recorded nothing yet."""
    from bpcli.diagnosis.run import diagnose_run
    from bpcli.errors import DataError

    try:
        return diagnose_run(run.path, layers=layers_of(layers_file))
    except DataError:
        return None
