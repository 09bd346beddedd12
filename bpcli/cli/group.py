"""The group of all commands; a command's module is imported when the command is used."""

from __future__ import annotations

from importlib import import_module

import click

import bpcli
from bpcli.cli.registry import COMMANDS


class LazyGroup(click.Group):
    """Lists its commands from the registry, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"bpcli.cli.commands.{cmd_name}").command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from bpcli.spec.suggestions import did_you_mean

            hint = did_you_mean(args[0], COMMANDS)
            hint = hint or "; `bpcli --help` lists them"
            ctx.fail(f"no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="`bpcli COMMAND --help` explains a command. To complete commands and options with "
    'Tab, put  eval "$(_BPCLI_COMPLETE=bash_source bpcli)"  into ~/.bashrc (zsh_source for zsh, '
    "fish_source for fish).",
)
@click.version_option(bpcli.__version__, prog_name="bpcli", message="%(prog)s %(version)s")
def group() -> None:
    """A debugger for backpropagation.

    Trains a network that a YAML file describes, proves that its gradients are right, and says
    whether they vanish or explode on their way back.
    """
