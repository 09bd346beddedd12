"""`bpcli report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import message_parameters, run_argument


@click.command()
@run_argument
@click.option(
    "--html",
    "file_",
    metavar="FILE",
    type=click.Path(),
    help="Where the page goes; default: report.html in the run directory. - is standard output.",
)
@message_parameters
def command(run: str, file_: str | None, output: Output) -> None:
    """Write a page about a run: results, curves, how gradients flowed, what each layer learned.

    One HTML file that works offline, in dark and light, on paper, by keyboard and by screen
    reader; every picture has its table of numbers.
    """
    from bpcli.report.html.run import run_report
    from bpcli.training import RunDirectory
    from bpcli.training.files import write_atomic

    directory = RunDirectory.open(Path(run))
    text = run_report(directory)
    if file_ == "-":
        output.write(text)
        return
    path = Path(file_) if file_ else directory.path / "report.html"
    write_atomic(path, text.encode())
    output.write(f"{path}\n")
