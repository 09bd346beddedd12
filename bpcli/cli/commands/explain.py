"""`bpcli explain`: what a finding or an idea means."""

from __future__ import annotations

import click

from bpcli.cli.completion import complete_explained
from bpcli.cli.output import Output
from bpcli.cli.parameters import output_parameters


@click.command()
@click.argument("name", metavar="[CODE]", required=False, shell_complete=complete_explained)
@click.option(
    "--spec", "spec_only", is_flag=True, help="Print only the spec that shows it, to pipe on."
)
@output_parameters
def command(name: str | None, spec_only: bool, output: Output) -> None:
    """Explain a finding by its CODE or name, or an idea by its name; list all without one.

    \b
      bpcli explain
      bpcli explain BP101
      bpcli explain dead-units --spec | bpcli diagnose -
      bpcli explain initialisation --spec | bpcli diagnose -
    """
    from bpcli.diagnosis.rules import find_rule
    from bpcli.ideas import find_idea
    from bpcli.report.explanation import contents, explanation, idea_page, whole_spec

    if name is None:
        output.show(contents())
        return
    rule, idea = find_rule(name), find_idea(name)
    if rule is None and idea is None:
        raise click.UsageError(f"there is no finding or idea {name!r}{_hint(name)}")
    if spec_only:
        spec = whole_spec(rule) if rule is not None else idea.spec if idea is not None else None
        if spec is None:
            raise click.UsageError(f"{name} has no spec: it takes a layer of one's own to show it")
        output.write(spec)
    elif rule is not None:
        output.show(explanation(rule))
    elif idea is not None:
        output.show(idea_page(idea))


def _hint(name: str) -> str:
    from bpcli.diagnosis.rules import RULES
    from bpcli.ideas import ideas
    from bpcli.spec.suggestions import did_you_mean

    known = [word for rule in RULES for word in (rule.code, rule.name)]
    known += [idea.name for idea in ideas()]
    return did_you_mean(name, known) or "; `bpcli explain` lists all"
