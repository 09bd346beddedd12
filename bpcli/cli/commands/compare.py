"""`bpcli compare RUN RUN...`."""

from __future__ import annotations

from pathlib import Path

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import FILE, output_parameters


@click.command()
@click.argument("runs", metavar="RUN RUN...", type=FILE, nargs=-1, required=True)
@output_parameters
def command(runs: tuple[str, ...], output: Output) -> None:
    """Set runs side by side: how they went, their figures, and where their specs differ.

    \b
      bpcli compare runs/digits/1 runs/digits/2
      bpcli compare runs/digits/*
    """
    from bpcli.report.comparison import comparison
    from bpcli.training import RunDirectory

    if len(runs) < 2:
        raise click.UsageError("comparing takes two runs or more")
    output.show(comparison([(run, RunDirectory.open(Path(run))) for run in runs]))
