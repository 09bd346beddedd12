"""`bpcli diagnose`: how gradients flow, what is wrong, why, and what cures it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.fixing import budget_option, fix, fix_option
from bpcli.cli.output import Output
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
    from bpcli.report.document import Block

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
        _check_fixable(request, output, no_train=no_train)
        return fix(request, fix_file, budget, ignore, output)
    diagnosis, opening = _diagnose(request, ignore, output, train=not no_train)
    _show(diagnosis, opening, path, output)
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
) -> tuple[Diagnosis, list[Block]]:
    from bpcli.diagnosis.log import diagnose_log
    from bpcli.diagnosis.probe import diagnose_spec
    from bpcli.diagnosis.run import diagnose_run
    from bpcli.report.diagnosis import subject_headline

    assert request.path is not None
    path = Path(request.path)
    if _of_the_past(request):
        if request.changed:
            raise click.UsageError("--set and --seed are for a SPEC; what a run did is done")
        if path.is_dir():
            return diagnose_run(path, ignore=ignore, layers=request.layers), []
        return diagnose_log(path, ignore=ignore), []
    spec = request.load()
    diagnosis = diagnose_spec(
        spec, train=train, ignore=ignore, layers=request.layers, say=output.say
    )
    return diagnosis, [subject_headline(diagnosis)]


def _show(diagnosis: Diagnosis, opening: list[Block], path: str, output: Output) -> None:
    from bpcli.report.diagnosis import diagnosis_report, github_annotations

    if output.format == "github":
        output.write(github_annotations(diagnosis, path))
        return
    output.show(diagnosis_report(diagnosis, opening))
