"""`bpcli sweep SPEC`."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.output import Output
from bpcli.cli.pages import html_option, plot_option, write_page, write_plot
from bpcli.cli.parameters import Integer, SpecRequest, output_parameters, spec_parameters
from bpcli.errors import BpcliError

if TYPE_CHECKING:
    from bpcli.sweep.axes import Axis
    from bpcli.sweep.engines import Engine
    from bpcli.sweep.sweep import Progress, Sweep


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
@click.option("--dry-run", is_flag=True, help="List the jobs; estimate the time by one or two.")
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
    from bpcli.report.sweep import plan
    from bpcli.spec.load import load_template
    from bpcli.sweep.engines.local import available_processors
    from bpcli.sweep.results import Results, write_csv
    from bpcli.sweep.sweep import Sweep, default_folder, run
    from bpcli.sweep.table import rows_of
    from bpcli.training.interruption import signals_to

    assert request.path is not None
    template = load_template(request.path, layers=request.layers)
    axes = _axes(varied, file_)
    wanted = _wanted(axes, do, over, figure, contour)
    if plot_file is not None and wanted.over is None:
        raise click.UsageError("--plot draws the figure over two varied paths: give --over X,Y")
    seed = () if request.seed is None else (f"seed={request.seed}",)
    sweep = Sweep(template, axes, do, (*request.settings, *seed), samples)
    for name in (figure, wanted.contour and wanted.contour[0]):
        _check_part(sweep, name)
    workers = jobs or available_processors()
    if dry_run:
        from bpcli.sweep.estimate import seconds_of_a_job

        count = sweep.check()
        output.show(plan(sweep, count, seconds_of_a_job(sweep), workers))
        return ExitCode.OK
    folder = Path(out) if out else default_folder(template)
    results = Results(folder)
    engine = _engine(dask, workers, request.layers_file, output)
    try:
        with signals_to(_interrupted):
            progress = run(sweep, engine, results, on_line=_Reporter(output))
    except (KeyboardInterrupt, SystemExit):
        ended = "no job had ended"
        if results.path.exists():
            ended = f"what had ended is in {results.path}; the same command goes on from there"
        output.tell("", ended)
        raise
    rows = rows_of(results.latest())
    write_csv(folder, rows)
    _show(sweep, rows, progress, folder, wanted, output, html_file, plot_file)
    return ExitCode.OK


def _interrupted(number: int) -> None:
    """Leaves at once: what had ended is recorded, and the engine takes its workers along."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@dataclass(frozen=True)
class _Wanted:
    """What is to be shown of the results."""

    figure: str | None
    over: tuple[tuple[str, list[Any]], tuple[str, list[Any]]] | None
    contour: tuple[str, float] | None


def _show(
    sweep: Sweep,
    rows: list[dict[str, Any]],
    progress: Progress,
    folder: Path,
    wanted: _Wanted,
    output: Output,
    html_file: str | None,
    plot_file: Path | None,
) -> None:
    from bpcli.report.sweep import grid_chart, summary, sweep_page
    from bpcli.sweep.table import CORRELATION_DEPTHS, figures_of, judged_by

    contour, over = wanted.contour, wanted.over
    if CORRELATION_DEPTHS in (wanted.figure, contour[0] if contour else None):
        from bpcli.sweep.theory import add_correlation_depths

        add_correlation_depths(rows, sweep.jobs())
    known = figures_of(rows)
    for name in (wanted.figure, contour[0] if contour else None):
        if name is not None and name not in known:
            raise BpcliError(f"no result has the figure {name}; there are {', '.join(known)}")
    judged = wanted.figure or judged_by(rows)
    paths = [path for axis in sweep.axes for path in axis.paths]
    found = summary(rows, paths, progress, str(folder), judged, over)
    chart = grid_chart(rows, over, judged, contour) if over is not None else None
    if contour is not None and chart is not None and not chart.contour:
        output.warn([f"{contour[0]} does not cross {contour[1]:g}: no line is drawn"])
    if html_file != "-":
        output.show(found)
    if html_file is not None:
        write_page(output, html_file, sweep_page(found, chart, sweep.template.name, len(rows)))
    if plot_file is not None and chart is not None:
        write_plot(plot_file, [chart], sweep.template.name)


def _engine(dask: str | None, workers: int, layers_file: str | None, output: Output) -> Engine:
    from bpcli.sweep.engines.local import LocalEngine

    layers = Path(layers_file) if layers_file else None
    if dask is None:
        return LocalEngine(workers, layers)
    from bpcli.sweep.engines.dask import DaskEngine

    return DaskEngine(dask, workers, layers, warn=lambda message: output.warn([message]))


def _axes(varied: tuple[str, ...], file_: str | None) -> list[Axis]:
    from bpcli.errors import SpecError
    from bpcli.spec.load import load_template
    from bpcli.sweep.axes import axes_of, parse_axis

    axes = [parse_axis(written) for written in varied]
    if file_ is not None:
        template = load_template(file_)
        if template.problems:
            raise SpecError(template.problems)
        axes += axes_of(template.root, file_)
    if not axes:
        raise click.UsageError("nothing is varied; give --vary PATH=VALUES or --file FILE")
    return axes


def _wanted(
    axes: list[Axis], do: str, over: str | None, figure: str | None, contour: str | None
) -> _Wanted:
    """Refuses what the results will not hold, before anything is computed."""
    pair = None
    if over is not None:
        x, _, y = (part.strip() for part in over.partition(","))
        if not x or not y:
            raise click.BadParameter("--over takes two varied paths with a comma between them")
        pair = (_values(x, axes), _values(y, axes))
        if pair[0] == pair[1]:
            raise click.BadParameter(f"--over takes two different paths, received {x} twice")
    line = _contour(contour, over)
    paths = [path for axis in axes for path in axis.paths]
    for option, name in (("--figure", figure), ("--contour", line[0] if line else None)):
        if name is not None and name not in paths:
            _check_figure(option, name, do)
    return _Wanted(figure, pair, line)


def _values(name: str, axes: list[Axis]) -> tuple[str, list[Any]]:
    """The varied path that is called so, or that alone ends so, and its values."""
    paths = {path: axis for axis in axes for path in axis.paths}
    ending = [path for path in paths if path == name or path.endswith(f".{name}")]
    found = [name] if name in paths else ending
    if len(found) != 1:
        reason = f"{name!r} is not varied" if not found else f"several varied paths end in {name!r}"
        raise click.BadParameter(f"--over: {reason}; varied: {', '.join(paths)}")
    return found[0], paths[found[0]].coordinates(found[0])


def _contour(written: str | None, over: str | None) -> tuple[str, float] | None:
    if written is None:
        return None
    if over is None:
        raise click.UsageError("--contour is a line in the picture of two paths: give --over X,Y")
    name, _, value = written.partition("=")
    try:
        level = float(value)
    except ValueError:
        level = math.nan
    if not math.isfinite(level):
        raise click.BadParameter(
            f"--contour takes NAME=VALUE, like predicted_gradient_slope=0, received {written!r}"
        )
    return name.strip(), level


def _check_figure(option: str, name: str, do: str) -> None:
    from bpcli.spec.suggestions import did_you_mean
    from bpcli.sweep.table import FIGURES, METRICS, PARTS, is_figure

    if is_figure(name, do):
        return
    known = list(FIGURES[do])
    if do == "train":
        known = [f"{part}.{metric}" for part in PARTS for metric in METRICS] + known
    hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
    raise click.BadParameter(f"{option}: --do {do} gives no figure {name!r}{hint}")


def _check_part(sweep: Sweep, figure: str | None) -> None:
    """Refuses a figure of a part that the data do not have."""
    part = (figure or "").partition(".")[0]
    if part not in ("validation", "test") or any(
        path.startswith("data") for axis in sweep.axes for path in axis.paths
    ):
        return
    data = sweep.job(0).spec.data
    if getattr(data, part) is None and not getattr(data.split, part):
        raise BpcliError(
            f"no job will have the figure {figure}: the data have no {part} part; give "
            f"data.split.{part} or data.{part}"
        )


class _Reporter:
    """Says how far the sweep is, once in a while.

    The clock starts with the first job: what workers take to start says nothing about the others.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self.begun: float | None = None
        self.next = 0.0

    def __call__(self, line: dict[str, Any], progress: Progress) -> None:
        from bpcli.report.text import duration

        now = time.monotonic()
        if self.begun is None:
            self.begun = now - line.get("seconds", 0.0)
        elapsed = now - self.begun
        if elapsed < self.next and progress.left:
            return
        self.next = max(2.0, 1.5 * elapsed)
        seconds = elapsed / progress.done * progress.left
        left = f", {duration(seconds)} left" if progress.left else ""
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        self.output.say(
            f"{progress.before + progress.done:,} of {progress.jobs:,} jobs{failed}{left}"
        )
