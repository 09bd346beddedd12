"""Arguments and options that commands share, each defined once.

@click.command()
@spec_parameters        # SPEC, --set, --seed, --layers  ->  request: SpecRequest
@output_parameters      # --format, --quiet, --no-color  ->  output: Output
def command(request, output): ...
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpcli.cli.completion import complete_specs
from bpcli.cli.environment import Environment
from bpcli.cli.output import Format, Output

if TYPE_CHECKING:
    from bpcli.spec.load import Template
    from bpcli.spec.model import Spec

Function = Callable[..., Any]
FILE = click.Path()  # completes file names; whether one exists is for its reader to say


class Integer(click.IntRange):
    """Integers of a range; click would call each of them an integer range."""

    name = "integer"


class Number(click.FloatRange):
    """Numbers of a range, named as simply; what is not a number lies in none."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return number


@dataclass(frozen=True)
class SpecRequest:
    """A spec as the command line asks for it."""

    path: str | None  # - is standard input
    settings: tuple[str, ...] = ()
    seed: int | None = None
    layers_file: str | None = None

    @property
    def layers(self) -> dict[str, type] | None:
        """The user's own layers by name."""
        return layers_of(self.layers_file)

    def load(self) -> Spec:
        """Reads the spec, with all changes made; raises SpecError."""
        return self.made(self.template())

    def template(self) -> Template:
        """The text that the changes are made of; raises SpecError."""
        from bpcli.spec.load import load_template

        assert self.path is not None
        return load_template(self.path, layers=self.layers)

    def made(self, template: Template) -> Spec:
        """The spec that it becomes; raises SpecError."""
        return template.spec(self.settings, self.seed)

    @property
    def changed(self) -> bool:
        return bool(self.settings) or self.seed is not None


def layers_of(file: str | None) -> dict[str, type] | None:
    """The layers of the file that --layers names, if it does."""
    if file is None:
        return None
    from bpcli.layers_file import load_layers

    return load_layers(Path(file))


spec_argument = click.argument("path", metavar="SPEC", type=FILE, shell_complete=complete_specs)
optional_spec_argument = click.argument(
    "path", metavar="[SPEC]", type=FILE, required=False, shell_complete=complete_specs
)
run_argument = click.argument("run", metavar="RUN", type=FILE)
set_option = click.option(
    "--set",
    "settings",
    metavar="PATH=VALUE",
    multiple=True,
    help="Change the spec, like training.epochs=5 or network.0.dense=16; repeatable.",
)
seed_option = click.option(
    "--seed", metavar="N", type=Integer(0), help="The spec's seed: --set seed=N."
)
layers_option = click.option(
    "--layers",
    "layers_file",
    metavar="FILE.py",
    type=FILE,
    help="Layers of your own: the bpcli.Layer classes of a Python file.",
)
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What results look like; text unless given.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress, only results.")
no_color_option = click.option(
    "--no-color", is_flag=True, help="No colours; the variable NO_COLOR does the same."
)


def spec_parameters(function: Function) -> Function:
    """SPEC and what changes it, as ``request``."""
    return _spec_options(spec_argument(_collected(function)))


def optional_spec_parameters(function: Function) -> Function:
    """The same where SPEC may be left out."""
    return _spec_options(optional_spec_argument(_collected(function)))


def _spec_options(function: Function) -> Function:
    return set_option(seed_option(layers_option(function)))


def _collected(function: Function) -> Function:
    @wraps(function)
    def with_request(
        *, path: str | None, settings: tuple[str, ...], seed: int | None,
        layers_file: str | None, **others: Any,
    ) -> Any:  # fmt: skip
        request = SpecRequest(path, settings, seed, layers_file)
        return function(request=request, **others)

    return with_request


def output_parameters(function: Function) -> Function:
    """--format, --quiet and --no-color, as ``output``."""
    return format_option(message_parameters(function))


def message_parameters(function: Function) -> Function:
    """--quiet and --no-color alone, as ``output``, for commands with one format."""

    @wraps(function)
    @click.pass_obj
    def with_output(
        environment: Environment,
        /,
        *,
        quiet: bool,
        no_color: bool,
        format_: Format = "text",
        **others: Any,
    ) -> Any:
        coloured = environment.coloured and not no_color
        return function(output=Output(environment, format_, quiet, coloured), **others)

    return quiet_option(no_color_option(with_output))
