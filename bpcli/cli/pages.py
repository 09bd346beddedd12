"""Results as files to look at: --html and --plot."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpcli.cli.output import Output

if TYPE_CHECKING:
    from bpcli.report.charts import Chart


class ResultFile(click.Path):
    """A file for a result, or `-`; refuses before any work what could not be written at the end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value != "-" and not (ctx is not None and ctx.resilient_parsing):  # not for a Tab
            from bpcli.training.files import check_place

            check_place(Path(value))
        return super().convert(value, param, ctx)


html_option = click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=ResultFile(),
    help="Write the result as a page too; - is standard output, instead of text.",
)


def _plot_file(_: click.Context, __: click.Parameter, file: str | None) -> Path | None:
    """Refuses before anything is computed what could not be drawn at the end."""
    if file is None:
        return None
    path = Path(file)
    if path.suffix not in (".png", ".svg"):
        raise click.BadParameter(f"the file must end in .png or .svg, received {file}")
    if find_spec("matplotlib") is None:
        raise click.UsageError(
            "--plot needs matplotlib, which is not installed; `pip install 'bpcli[plot]'` brings it"
        )
    return path


plot_option = click.option(
    "--plot",
    "plot_file",
    metavar="FILE",
    type=ResultFile(),
    callback=_plot_file,
    help="Draw the charts into a .png or .svg; needs matplotlib: bpcli[plot].",
)


def shown_name(path: str) -> str:
    """What a page about a spec, run or log is called."""
    name = Path(path)
    if name.suffix in (".yaml", ".yml"):
        return name.stem
    return "standard input" if path == "-" else path


def write_page(output: Output, file: str, page: str) -> None:
    """The page to its file, or to standard output. Raises WriteError."""
    if file == "-":
        output.write(page)
    else:
        _write(Path(file), page.encode())


def write_plot(path: Path, charts: Sequence[Chart], title: str) -> None:
    """All charts in one picture; raises WriteError, and BpcliError where there are none."""
    from bpcli.report.plots import plot

    _write(path, plot(charts, title, path.suffix))


def _write(path: Path, content: bytes) -> None:
    from bpcli.training.files import write_result

    write_result(path, content)
