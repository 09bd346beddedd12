"""`bpcli new`: a first spec, from a template."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import message_parameters
from bpcli.errors import BpcliError, WriteError
from bpcli.report.document import Column, Document, Fields, Lines, Span, Table
from bpcli.spec.suggestions import did_you_mean


class ExistingFileError(BpcliError):
    """A file that would be overwritten."""


def templates() -> dict[str, Traversable]:
    """The templates that bpcli carries, by name."""
    found = (file for file in files("bpcli").joinpath("templates").iterdir())
    named = {file.name.removesuffix(".yaml"): file for file in found if file.name.endswith(".yaml")}
    return dict(sorted(named.items()))


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in templates() if name.startswith(incomplete)]


@click.command()
@click.argument("template", metavar="[TEMPLATE]", required=False, shell_complete=_complete)
@click.argument("file", metavar="[FILE]", type=click.Path(), required=False)
@message_parameters
def command(template: str | None, file: str | None, output: Output) -> None:
    """Write the spec called TEMPLATE into FILE, TEMPLATE.yaml unless given.

    FILE - is standard output. No file is overwritten. Without arguments the templates are
    listed; their data are generated, so each can be trained at once:

    \b
      bpcli new spirals
      bpcli train spirals.yaml
    """
    known = templates()
    if template is None:
        output.show(_listing(known))
        return
    if template not in known:
        hint = did_you_mean(template, known) or f"; there are {', '.join(known)}"
        raise click.UsageError(f"no template {template!r}{hint}")
    content = known[template].read_text(encoding="utf-8")
    if file == "-":
        output.write(content)
        return
    path = Path(file or f"{template}.yaml")
    _write_new(path, content)
    output.show(Document([Fields([("wrote", str(path)), ("next", f"bpcli train {path}")])]))


def _write_new(path: Path, content: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(content)
    except FileExistsError:
        raise ExistingFileError(
            f"{path} exists and is left as it is; name another file: bpcli new TEMPLATE FILE"
        ) from None
    except OSError as error:
        raise WriteError(f"could not write {path}: {error.strerror or error}") from None


def _listing(known: dict[str, Traversable]) -> Document:
    rows = [(Span(name, "strong"), _summary(file)) for name, file in known.items()]
    columns = (Column("", "left"), Column("", "left", shortens=True))
    return Document([Table(columns, rows), Lines(("bpcli new TEMPLATE writes TEMPLATE.yaml",))])


def _summary(file: Traversable) -> str:
    """The comment that opens the template."""
    return file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").rstrip(".")
