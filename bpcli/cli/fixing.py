"""`bpcli diagnose --fix`: looks for a cure, proves it, and writes the cured spec."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.output import Output
from bpcli.cli.pages import ResultFile
from bpcli.cli.parameters import SpecRequest

if TYPE_CHECKING:
    from bpcli.diagnosis.candidates import Budget
    from bpcli.diagnosis.cure import Cure
    from bpcli.diagnosis.diagnosis import Diagnosis
    from bpcli.report.document import Document
    from bpcli.spec.changes import Change
    from bpcli.spec.load import Template
    from bpcli.spec.model import Spec

DIFF = "-"  # instead of a file


class BudgetType(click.ParamType):  # type: ignore[type-arg]  # older releases are not generic
    """`120` or `120s`, `40runs`, or both: `120s,40runs`."""

    name = "budget"

    def convert(self, value: Any, param: Any, ctx: Any) -> Budget:
        from bpcli.diagnosis.candidates import Budget

        limits = {"seconds": math.inf, "runs": math.inf}
        for part in str(value).split(","):
            found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|runs?)?\s*", part)
            if found is None or not float(found[1]):
                self.fail(f"{value!r} is no budget; give seconds, runs or both: 120s,40runs")
            kind = "runs" if (found[2] or "s").startswith("run") else "seconds"
            limits[kind] = float(found[1])
        return Budget(limits["seconds"], limits["runs"])


fix_option = click.option(
    "--fix",
    "fix_file",
    metavar="FILE",
    type=ResultFile(),
    help="Look for the smallest change that cures, prove it by training both, and write the cured "
    "spec; - prints the difference instead.",
)
budget_option = click.option(
    "--budget",
    metavar="LIMIT",
    type=BudgetType(),
    default="120s",
    show_default=True,
    help="What --fix may spend: seconds, training runs, or both, like 120s,40runs.",
)


def fix(
    request: SpecRequest, file: str, budget: Budget, ignore: tuple[str, ...], output: Output
) -> int:
    """Diagnoses, writes the cured spec and shows what it gained; 1 where nothing helped."""
    from bpcli.report.cure import cure_report

    template = request.template()
    diagnosis = _diagnose(request, template, file, ignore, output)
    if all(finding.severity == "info" for finding in diagnosis.findings):
        output.tell("there is nothing to cure, so nothing was written")
        return ExitCode.OK
    if diagnosis.evidence.wrong_gradients:
        output.tell("a wrong gradient is for the layer's author to mend; nothing was written")
        return ExitCode.PROBLEMS
    subject = diagnosis.evidence.subject
    assert subject is not None
    cure, metric = _search(request, subject.spec, diagnosis, budget, ignore, output)
    if cure.best is None:
        report = cure_report(cure, diagnosis, metric, notes=["nothing was written"])
        _show(report, "", file, output)
        return ExitCode.PROBLEMS
    changes = [*_settings(request), *cure.best.changes]
    text, diff = _edited(template, subject.spec, changes, file)
    if file != DIFF:
        _write(text, template, file)
    notes = [] if file == DIFF else [f"written to {file}; try it: bpcli train {file}"]
    _show(cure_report(cure, diagnosis, metric, diff=diff, notes=notes), diff, file, output)
    return ExitCode.OK


def _diagnose(
    request: SpecRequest, template: Template, file: str, ignore: tuple[str, ...], output: Output
) -> Diagnosis:
    """The diagnosis, shown to people; for programs it is part of what they get in the end."""
    from bpcli.diagnosis.probe import diagnose_spec
    from bpcli.report.diagnosis import diagnosis_report, subject_headline

    spec = request.made(template)
    found = diagnose_spec(spec, ignore=ignore, layers=template.layers, say=output.say)
    report = diagnosis_report(found, [subject_headline(found)])
    if output.format != "json":
        _show(report, "", file, output)
    return found


def _search(
    request: SpecRequest,
    spec: Spec,
    diagnosis: Diagnosis,
    budget: Budget,
    ignore: tuple[str, ...],
    output: Output,
) -> tuple[Cure, str]:
    """The cure, and what its score is."""
    from bpcli.data import load_data
    from bpcli.diagnosis.cure import cure
    from bpcli.diagnosis.probe import diagnose_spec

    layers, dataset = request.layers, load_data(spec)
    metric = "r2" if dataset.preparation.targets.kind == "numbers" else "accuracy"

    def examine(changed: Spec) -> Diagnosis:
        return diagnose_spec(changed, ignore=ignore, layers=layers)

    found = cure(spec, dataset, diagnosis.findings, budget, examine, layers=layers, say=output.say)
    return found, metric


def _settings(request: SpecRequest) -> list[Change]:
    """--set and --seed are part of what was cured, so they are written too."""
    from bpcli.spec.changes import Change
    from bpcli.spec.nodes import plain
    from bpcli.spec.settings import parse_setting

    made = [parse_setting(written)[0] for written in request.settings]
    changes = [Change("set", each.path, plain(each.value)) for each in made if each is not None]
    if request.seed is not None:
        changes.append(Change("set", "seed", request.seed))
    return changes


def _edited(template: Template, spec: Spec, changes: list[Change], file: str) -> tuple[str, str]:
    """The cured text for its place, and how it differs from the original where that stands."""
    from bpcli.spec.edit import edit, unified_diff
    from bpcli.spec.relocating import relocation

    cured = edit(template.text, changes, file=template.file, layers=template.layers)
    diff = unified_diff(template.text, cured, template.file)
    if file == DIFF:
        return cured, diff
    moved = [*changes, *relocation(spec, Path(file).parent)]
    return edit(template.text, moved, file=template.file, layers=template.layers), diff


def _write(text: str, template: Template, file: str) -> None:
    from bpcli.spec.load import load_spec
    from bpcli.training.files import write_result

    def verify(path: Path) -> None:
        load_spec(path, layers=template.layers)

    write_result(Path(file), text.encode("utf-8"), verify=verify)


def _show(report: Document, diff: str, file: str, output: Output) -> None:
    """The difference alone on stdout if that is what was asked for."""
    if file == DIFF and output.format != "json":
        output.show_aside(report)
        output.write(diff)
    else:
        output.show(report)
