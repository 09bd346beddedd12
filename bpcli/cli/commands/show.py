"""`bpcli show`: what a spec's network is made of."""

from __future__ import annotations

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import SpecRequest, output_parameters, spec_parameters


@click.command()
@spec_parameters
@output_parameters
def command(request: SpecRequest, output: Output) -> None:
    """Show the layers of SPEC: shapes, parameters, cost and memory.

    Nothing is trained, and no more of the data is read than must be. Multiply-adds are those of
    one example's forward pass; memory is what training holds besides the data.
    """
    from bpcli.build import plan
    from bpcli.report.network import network_report

    spec = request.load()
    output.show(network_report(spec, *plan(spec)))
