"""`bpcli schema`: the JSON Schema of specs."""

from __future__ import annotations

import json

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import message_parameters


@click.command()
@message_parameters
def command(output: Output) -> None:
    """Print the JSON Schema of specs (draft 2020-12).

    Editors complete and check specs with it. Write it to a file once, and name that file in the
    first line of a spec:

    \b
      bpcli schema > bpcli.schema.json
      # yaml-language-server: $schema=bpcli.schema.json

    VS Code (with the YAML extension), Neovim, Emacs and others read such a line.
    """
    from bpcli.spec import json_schema

    output.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
