"""`bpcli sweep SPEC`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.output import Output
from bpcli.cli.pages import html_option, plot_option, write_page, write_plot
from bpcli.cli.parameters import Integer, SpecRequest, output_parameters, spec_parameters

if TYPE_CHECKING:
    from bpcli.sweep.axes import Axis
    from bpcli.sweep.engines import Engine
    from bpcli.sweep.sweep import Progress


@click.command()
@spec_parameters
@click.option(
    "--vary",
    "varied",
    metavar="PATH=VALUES",
    multiple=True,
    help="seed=0..9, network.0.dense.units=16,64, optimizer.sgd.learning_rate=1e-4..1/log5; "
    "`a=1,2;b=3,4` varies two together; repeatable.",
)
@click.option("--file", "file_", metavar="FILE", type=click.Path(), help="A YAML list for --vary.")
@click.option("--do", type=click.Choice(["train", "diagnose"]), default="train", help="At a point.")
@click.option("--samples", metavar="N", type=Integer(1), help="So many points at random.")
@click.option("--jobs", metavar="N", type=Integer(1), help="Processes; default: all cores.")
@click.option("--dask", metavar="ADDRESS", help="A Dask scheduler, or `local`; needs bpcli[sweep].")
@click.option("--out", metavar="DIR", type=click.Path(), help="Default: sweeps/NAME.")
@click.option("--over", metavar="X,Y", help="Show the figure over two varied paths.")
@click.option("--figure", metavar="NAME", help="What to judge by, like validation.loss.")
@click.option("--contour", metavar="NAME=VALUE", help="Draw where a figure takes a value.")
@click.option("--dry-run", is_flag=True, help="List the jobs and the estimated time; run nothing.")
@html_option
@plot_option
@output_parameters
def command(
    request: SpecRequest,
    varied: tuple[str, ...],
    file_: str | None,
    do: str,
    samples: int | None,
    jobs: int | None,
    dask: str | None,
    out: str | None,
    over: str | None,
    figure: str | None,
    contour: str | None,
    dry_run: bool,
    html_file: str | None,
    plot_file: Path | None,
    output: Output,
) -> ExitCode:
    """Train or diagnose a spec at many settings, on all cores or on a Dask cluster.

    Every job's spec is checked before anything starts. Results go to results.jsonl as jobs end;
    the same command run again goes on where an interrupted one was.
    """
    from bpcli.report.sweep import grid_chart, plan, summary, sweep_page
    from bpcli.spec.load import load_template
    from bpcli.sweep.engines.local import LocalEngine, available_processors
    from bpcli.sweep.results import Results
    from bpcli.sweep.sweep import Sweep, default_folder, run

    assert request.path is not None
    template = load_template(request.path, layers=request.layers)
    settings = (
        request.settings if request.seed is None else (*request.settings, f"seed={request.seed}")
    )
    axes = _axes(varied, file_)
    pair = _pair(over, axes)
    if plot_file is not None and pair is None:
        raise click.UsageError("--plot draws the figure over two varied paths: give --over X,Y")
    line = _contour(contour, pair)
    sweep = Sweep(template, axes, do, settings, samples)
    workers = jobs or available_processors()
    if dry_run:
        count = sweep.check()
        output.show(plan(sweep, count, _seconds_of_one(sweep), workers))
        return ExitCode.OK
    engine: Engine = LocalEngine(workers)
    if dask is not None:
        from bpcli.sweep.engines.dask import DaskEngine

        engine = DaskEngine(dask, workers)
    folder = Path(out) if out else default_folder(template)
    results = Results(folder)
    progress = run(sweep, engine, results, on_line=_Reporter(output))
    results.write_csv()
    lines = results.latest()
    found = summary(lines, progress, str(folder), over=pair, figure=figure)
    chart = grid_chart(lines, pair, figure, line) if pair is not None else None
    if html_file != "-":
        output.show(found)
    if html_file is not None:
        write_page(output, html_file, sweep_page(found, chart, template.name, len(lines)))
    if plot_file is not None and chart is not None:
        write_plot(plot_file, [chart], template.name)
    return ExitCode.OK


def _axes(varied: tuple[str, ...], file_: str | None) -> list[Axis]:
    from bpcli.errors import SpecError
    from bpcli.spec.load import load_template
    from bpcli.sweep.axes import axes_of, parse_axis

    axes = [parse_axis(written) for written in varied]
    if file_ is not None:
        template = load_template(file_)
        if template.problems:
            raise SpecError(template.problems)
        axes += axes_of(template.root)
    if not axes:
        raise click.UsageError("nothing is varied; give --vary PATH=VALUES or --file FILE")
    return axes


def _pair(over: str | None, axes: list[Axis]) -> tuple[str, str] | None:
    if over is None:
        return None
    x, _, y = (part.strip() for part in over.partition(","))
    if not x or not y:
        raise click.BadParameter("--over takes two varied paths with a comma between them")
    varied = [path for axis in axes for path in axis.paths]
    for path in (x, y):
        if path not in varied:
            raise click.BadParameter(f"--over: {path!r} is not varied; {', '.join(varied)} are")
    return x, y


def _contour(written: str | None, pair: tuple[str, str] | None) -> tuple[str, float] | None:
    if written is None:
        return None
    if pair is None:
        raise click.UsageError("--contour is a line in the picture of two paths: give --over X,Y")
    name, _, value = written.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise click.BadParameter(
            f"--contour takes NAME=VALUE, like predicted_gradient_slope=0, received {written!r}"
        ) from None


def _seconds_of_one(sweep: Any) -> float | None:
    """The time of the first job, run here."""
    from bpcli.sweep.sweep import first
    from bpcli.sweep.work import run

    line = run(first(sweep, 1)[0])
    return None if "error" in line else float(line["seconds"])


class _Reporter:
    """Says how far the sweep is, once in a while."""

    def __init__(self, output: Output) -> None:
        self.output, self.begun = output, time.monotonic()
        self.next = 0.0

    def __call__(self, line: dict[str, Any], progress: Progress) -> None:
        from bpcli.report.text import duration

        elapsed = time.monotonic() - self.begun
        if elapsed < self.next and progress.left:
            return
        self.next = max(2.0, 1.5 * elapsed)
        left = elapsed / progress.done * progress.left
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        self.output.say(
            f"{progress.before + progress.done:,} of {progress.jobs:,} jobs{failed}, "
            f"{duration(left)} left"
        )
