"""`bpcli report RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpcli.cli.output import Output
from bpcli.cli.pages import ResultFile, plot_option, write_page, write_plot
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
    type=ResultFile(),
    help="Where the page goes; default: report.html in the run directory. - is standard output.",
)
@plot_option
@layers_option
@message_parameters
def command(
    run: str, file_: str | None, plot_file: Path | None, layers_file: str | None, output: Output
) -> None:
    """Write a page about a run: findings, results, curves, how gradients flowed.

    One HTML file that works offline, in dark and light, on paper, by keyboard and by screen
    reader; every picture has its table of numbers.
    """
    from bpcli.report.html.run import run_charts_of, run_page
    from bpcli.training import RunDirectory

    directory = RunDirectory.open(Path(run))
    diagnosis = _diagnosis(directory, layers_file)
    if plot_file is not None:
        charts = run_charts_of(directory, diagnosis)
        write_plot(plot_file, charts, directory.path.parent.name)
        output.write(f"{plot_file}\n")
    if plot_file is None or file_ is not None:
        path = file_ or str(directory.path / "report.html")
        write_page(output, path, run_page(directory, diagnosis))
        output.write(f"{path}\n" if path != "-" else "")


def _diagnosis(run: RunDirectory, layers_file: str | None) -> Diagnosis | None:
    """None of a run that has recorded nothing yet."""
    from bpcli.diagnosis.run import diagnose_run
    from bpcli.errors import DataError

    try:
        return diagnose_run(run.path, layers=layers_of(layers_file))
    except DataError:
        return None
