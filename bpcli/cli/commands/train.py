"""`bpcli train`: trains a spec's network and shows how its gradients flow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.output import Output
from bpcli.cli.parameters import SpecRequest, optional_spec_parameters, output_parameters

if TYPE_CHECKING:
    from bpcli.cli.runs import Training
    from bpcli.diagnosis.finding import Finding
    from bpcli.training import Listener, Outcome

SEVERITIES = ("error", "warning", "info")  # most severe first, as in bpcli.diagnosis.finding


@click.command()
@optional_spec_parameters
@click.option("--resume", metavar="RUN", type=click.Path(), help="Go on with this run.")
@click.option(
    "--runs",
    metavar="DIR",
    type=click.Path(),
    default="runs",
    show_default=True,
    help="Where to put the run: DIR/NAME/NUMBER.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 on findings at least as severe.",
)
@output_parameters
def command(
    request: SpecRequest, output: Output, resume: str | None, runs: str, fail_on: str
) -> int:
    """Train the network of SPEC; on a terminal, watch each layer's gradients.

    Leaves a run directory, runs/NAME/NUMBER, with the spec, the metrics of each epoch, the
    gradients by layer, and checkpoints. Ctrl-C finishes the step at hand and saves; --resume goes
    on from there and ends with the weights of the uninterrupted run, bit for bit. RUN may be
    runs/NAME, which stands for its newest run.

    \b
      bpcli train configs/digits.yaml
      bpcli train configs/digits.yaml --set training.epochs=5 --seed 1
      bpcli train --resume runs/digits/1
    """
    if request.path is None and resume is None:
        raise click.UsageError("train needs a SPEC, or --resume RUN")
    from bpcli.cli.runs import begin, go_on

    training = begin(request, Path(runs)) if resume is None else go_on(request, Path(resume))
    output.warn(training.warnings)
    if training.trainer is None:
        output.say("this run is finished: there is nothing left to train")
        _report(training, output)
        return ExitCode.OK
    outcome, seconds, findings = _train(training, output)
    _say_how_it_ended(training, outcome, output)
    _report(training, output, findings, seconds)
    return _exit_code(outcome, findings, fail_on)


def _train(training: Training, output: Output) -> tuple[Outcome, float, Sequence[Finding]]:
    """How it ended, the seconds it took, and the findings that hold of the whole of it."""
    from bpcli.diagnosis.recorder import Recorder, recording_interval
    from bpcli.diagnosis.watch import Watch
    from bpcli.report.diagnosis import in_brief

    trainer, dataset = training.trainer, training.dataset
    assert trainer is not None
    assert dataset is not None
    interval = recording_interval(trainer.network, training.spec.training.batch_size)
    trainer.recorder = Recorder(trainer.stepper.total_steps, interval=interval)
    _say_what_begins(training, output)
    began = time.monotonic()
    with _progress(output) as listener:
        if listener is not None:
            trainer.listen(listener)
        announce = getattr(listener, "announce", output.say)  # a live view stands below it
        watch = Watch(
            training.spec, dataset, trainer.network, lambda finding: announce(*in_brief(finding))
        )
        trainer.listen(watch)
        outcome = trainer.train()
    return outcome, time.monotonic() - began, watch.findings


def _progress(output: Output) -> AbstractContextManager[Listener | None]:
    """What shows the run as it goes: a live view, lines, or nothing."""
    environment = output.environment
    if output.quiet or environment.stderr is None:
        return nullcontext()
    if environment.animated:
        from bpcli.report.terminal.live import LiveView

        return LiveView(environment.stderr, coloured=output.coloured)
    from bpcli.report.progress import EpochLines

    return nullcontext(EpochLines(output.say))


def _say_what_begins(training: Training, output: Output) -> None:
    from bpcli.cli.runs import shown_path
    from bpcli.report.headline import headline
    from bpcli.report.layout import lay_out_block

    trainer, dataset = training.trainer, training.dataset
    assert trainer is not None
    assert dataset is not None
    description = dataset.preparation.description(dataset.examples)
    run, steps = shown_path(training.run.path), trainer.stepper.steps
    begin = f"{run}, from epoch {trainer.epochs + 1}, step {steps + 1:,}" if steps else run
    about = headline(training.spec, trainer.network.chain, description)
    output.say(*lay_out_block(about, output.environment.width), begin, "")


def _say_how_it_ended(training: Training, outcome: Outcome, output: Output) -> None:
    from bpcli.cli.runs import shown_path
    from bpcli.report.advice import non_finite_advice

    run = shown_path(training.run.path)
    if outcome.reason == "interrupted":
        output.tell(
            f"interrupted after step {outcome.steps:,}; everything is saved, go on with",
            f"  bpcli train --resume {run}",
            "",
        )
    elif outcome.non_finite is not None:
        output.tell(*non_finite_advice(training.spec, outcome.non_finite), "")


def _report(
    training: Training,
    output: Output,
    findings: Sequence[Finding] = (),
    seconds: float | None = None,
) -> None:
    from bpcli.cli.runs import shown_path
    from bpcli.report.training import training_report

    summary = training.run.read_summary()
    assert summary is not None
    run = shown_path(training.run.path)
    output.show(
        training_report(
            run,
            training.spec.name,
            summary,
            findings=findings,
            next_commands=_next_commands(run, summary["reason"]),
            seconds=seconds,
        )
    )


def _next_commands(run: str, reason: str) -> list[str]:
    """What one may want to do with a run that ended so."""
    if reason == "interrupted":
        return []  # a message has said it
    if reason == "non_finite":
        return [f"bpcli diagnose {run}"]
    return [f"bpcli {name} {run}" for name in ("diagnose", "evaluate", "report")]


def _exit_code(outcome: Outcome, findings: Sequence[Finding], fail_on: str) -> int:
    if outcome.reason == "interrupted":
        return 128 + (outcome.signal or 0)
    if outcome.reason == "non_finite":
        return ExitCode.NON_FINITE
    severe = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
    if any(finding.severity in severe for finding in findings):
        return ExitCode.PROBLEMS
    return ExitCode.OK
