"""`bpcli diagnose`: how gradients flow, what is wrong, why, and what cures it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpcli.cli.completion import complete_findings
from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.fixing import budget_option, fix, fix_option
from bpcli.cli.output import Output
from bpcli.cli.pages import html_option, plot_option, shown_name, write_page, write_plot
from bpcli.cli.parameters import (
    FILE,
    SpecRequest,
    layers_option,
    message_parameters,
    seed_option,
    set_option,
)

if TYPE_CHECKING:
    from bpcli.diagnosis.candidates import Budget
    from bpcli.diagnosis.diagnosis import Diagnosis
    from bpcli.report.document import Lines

SEVERITIES = ("error", "warning", "info")  # most severe first, as in bpcli.diagnosis.finding


@click.command()
@click.argument("path", metavar="SPEC|RUN|LOG", type=FILE)
@set_option
@seed_option
@layers_option
@click.option(
    "--ignore",
    metavar="CODE",
    multiple=True,
    shell_complete=complete_findings,
    help="Leave out a finding, by its code or name; repeatable.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 on findings at least as severe.",
)
@click.option(
    "--no-train", is_flag=True, help="Look at the network as it starts, and train nothing."
)
@fix_option
@budget_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="What results look like; github: annotations in a workflow.",
)
@html_option
@plot_option
@message_parameters
def command(
    path: str,
    settings: tuple[str, ...],
    seed: int | None,
    layers_file: str | None,
    ignore: tuple[str, ...],
    fail_on: str,
    no_train: bool,
    fix_file: str | None,
    budget: Budget,
    html_file: str | None,
    plot_file: Path | None,
    output: Output,
) -> int:
    """Diagnose how gradients flow in SPEC's network, in a RUN, or in a LOG of another framework.

    Of a SPEC, the network is measured as it starts and through short training runs, and compared
    with what theory predicts; where training fails, experiments tell why. Of a RUN or a LOG
    (gradients.jsonl) it is what happened over time.

    \b
      bpcli diagnose configs/deep_sigmoid.yaml
      bpcli diagnose runs/digits/1
      bpcli diagnose gradients.jsonl --fail-on warning
      bpcli diagnose configs/deep_sigmoid.yaml --fix cured.yaml
    """
    _check_ignored(ignore)
    request = SpecRequest(path, settings, seed, layers_file)
    if fix_file is not None:
        if html_file or plot_file:
            raise click.UsageError("--html and --plot show a diagnosis; diagnose the cured spec")
        _check_fixable(request, output, no_train=no_train)
        return fix(request, fix_file, budget, ignore, output)
    diagnosis, opening, text = _diagnose(request, ignore, output, train=not no_train)
    if html_file != "-":
        _show(diagnosis, opening, path, output)
    if html_file is not None:
        from bpcli.report.html.diagnosis import diagnosis_page

        write_page(output, html_file, diagnosis_page(diagnosis, shown_name(path), opening, text))
    if plot_file is not None:
        from bpcli.report.diagnosis_charts import diagnosis_charts

        write_plot(plot_file, diagnosis_charts(diagnosis), shown_name(path))
    severe = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
    found = any(finding.severity in severe for finding in diagnosis.findings)
    return ExitCode.PROBLEMS if found else ExitCode.OK


def _check_ignored(ignore: tuple[str, ...]) -> None:
    from bpcli.diagnosis.options import hint_of_findings
    from bpcli.diagnosis.rules import find_rule

    for each in ignore:
        if find_rule(each) is None:
            hint = hint_of_findings(each)
            raise click.UsageError(f"--ignore {each}: there is no such finding{hint}")


def _check_fixable(request: SpecRequest, output: Output, *, no_train: bool) -> None:
    if _of_the_past(request):
        raise click.UsageError("--fix is for a SPEC: a cure is proved by training it")
    if no_train:
        raise click.UsageError("--fix trains, so --no-train cannot go with it")
    if output.format == "github":
        raise click.UsageError("--fix goes with --format text or json")


def _of_the_past(request: SpecRequest) -> bool:
    """Whether it is a run or a log."""
    path = Path(request.path or "")
    return path.is_dir() or path.suffix == ".jsonl"


def _diagnose(
    request: SpecRequest, ignore: tuple[str, ...], output: Output, *, train: bool
) -> tuple[Diagnosis, list[Lines], str]:
    """The diagnosis, the lines that say of what, and the text of the spec where there is one."""
    from bpcli.diagnosis.log import diagnose_log
    from bpcli.diagnosis.probe import diagnose_spec
    from bpcli.diagnosis.run import diagnose_run
    from bpcli.report.diagnosis import record_headline, subject_headline
    from bpcli.training import RunDirectory

    assert request.path is not None
    path = Path(request.path)
    if _of_the_past(request):
        if request.changed:
            raise click.UsageError("--set and --seed are for a SPEC; what a run did is done")
        if path.is_dir():
            spec_text = RunDirectory.open(path).read_spec()
            diagnosis = diagnose_run(path, ignore=ignore, layers=request.layers)
        else:
            spec_text, diagnosis = "", diagnose_log(path, ignore=ignore)
        return diagnosis, [record_headline(diagnosis, request.path)], spec_text
    template = request.template()
    spec = request.made(template)
    diagnosis = diagnose_spec(
        spec, train=train, ignore=ignore, layers=request.layers, say=output.say
    )
    return diagnosis, [subject_headline(diagnosis)], template.text


def _show(diagnosis: Diagnosis, opening: list[Lines], path: str, output: Output) -> None:
    from bpcli.report.diagnosis import diagnosis_report, github_annotations

    if output.format == "github":
        output.write(github_annotations(diagnosis, path))
        return
    output.show(diagnosis_report(diagnosis, opening))
