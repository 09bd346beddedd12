"""`bpcli bench`: how fast a spec trains on this machine, and where the time goes."""

from __future__ import annotations

import click

from bpcli.cli.output import Output
from bpcli.cli.parameters import Number, SpecRequest, output_parameters, spec_parameters


@click.command()
@spec_parameters
@click.option(
    "--seconds",
    metavar="S",
    type=Number(0.1, 600),
    default=3.0,
    show_default=True,
    help="How long to measure; longer is steadier.",
)
@output_parameters
def command(request: SpecRequest, output: Output, seconds: float) -> None:
    """Time a training step of SPEC, split by phase and layer.

    A step is what training does: take the next shuffled batch, forward, loss, backward,
    optimizer, the loss as a number. Its time is a median; phases and layers are timed in other
    steps, because looking on takes time. Recording, which `train` does at some steps alone, is what
    it costs a step on average. The ceiling is what a large matrix product reaches here, at the same
    moment, with the same number of threads (OPENBLAS_NUM_THREADS).
    """
    from bpcli.benchmark import benchmark
    from bpcli.build import prepare
    from bpcli.diagnosis.recorder import Recorder, recording_interval
    from bpcli.report.benchmark import benchmark_report
    from bpcli.report.headline import headline

    spec = request.load()
    dataset, network = prepare(spec)
    description = dataset.preparation.description(dataset.examples)
    interval = recording_interval(network, spec.training.batch_size)
    measured = benchmark(spec, dataset, network, seconds, recorder=Recorder(1), interval=interval)
    output.show(benchmark_report(measured, headline(spec, network.chain, description)))
