"""Results as files to look at: --html."""

from __future__ import annotations

from pathlib import Path

import click

from bpcli.cli.output import Output
from bpcli.report.document import Document

html_option = click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(),
    help="Write the result as a page of its own too; - is standard output, instead of text.",
)


def show_with_page(output: Output, document: Document, file: str | None, page: str) -> None:
    """The document, and the page in its file. Raises WriteError."""
    if file == "-":
        output.write(page)
        return
    output.show(document)
    if file is not None:
        write_page(Path(file), page)
        output.say(f"written to {file}")


def write_page(path: Path, page: str) -> None:
    """Whole, or not at all; raises WriteError."""
    from bpcli.training.files import write_atomic

    write_atomic(path, page.encode())
