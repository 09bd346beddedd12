"""`bpcli explain`: what a finding means."""

from __future__ import annotations

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import output_parameters


@click.command()
@click.argument("finding", metavar="[CODE]", required=False)
@output_parameters
def command(finding: str | None, output: Output) -> None:
    """Explain a finding of diagnose or train, by its CODE or name; all of them without one.

    \b
      bpcli explain
      bpcli explain BP101
      bpcli explain dead-units
    """
    from bpcli.diagnosis.options import hint_of_findings
    from bpcli.diagnosis.rules import find_rule
    from bpcli.report.explanation import explanation, rules_table

    if finding is None:
        output.show(rules_table())
        return
    rule = find_rule(finding)
    if rule is None:
        raise click.UsageError(f"there is no finding {finding!r}{hint_of_findings(finding)}")
    output.show(explanation(rule))
