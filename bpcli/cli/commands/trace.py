"""`bpcli trace SPEC`."""

from __future__ import annotations

from dataclasses import replace

import click

from bpcli.cli.completion import complete_layers, complete_units
from bpcli.cli.output import Output
from bpcli.cli.parameters import Integer, SpecRequest, message_parameters, spec_parameters


@click.command()
@spec_parameters
@click.option(
    "--example", metavar="N", type=Integer(0), default=0, help="Which of the training part."
)
@click.option(
    "--steps",
    metavar="N",
    type=Integer(1, 1_000_000),
    default=1,
    help="Updates on this example; the first is worked through, the rest show where they lead.",
)
@click.option(
    "--unit",
    "units",
    metavar="LAYER.N",
    multiple=True,
    shell_complete=complete_units,
    help="Show this unit of a layer instead of the strongest: dense_2.5, conv2d_1.3,4,7 by its "
    "place on every axis; repeatable.",
)
@click.option(
    "--layer",
    "layers",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_layers,
    help="Show this layer alone, with what is inside it; repeatable.",
)
@click.option(
    "--all-layers",
    is_flag=True,
    help="Show every layer of a deep network, not only the first, the last and those where the "
    "gradient changes most.",
)
@click.option("--digits", metavar="N", type=Integer(2, 17), default=8, help="Significant digits.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown", "html", "json"]),
    default="text",
    help="What the result looks like; text unless given. html: a page of its own.",
)
@message_parameters
def command(
    request: SpecRequest,
    example: int,
    steps: int,
    units: tuple[str, ...],
    layers: tuple[str, ...],
    all_layers: bool,
    digits: int,
    output: Output,
) -> None:
    """Work the chain rule through on one example, number by number.

    Forward: inputs, weights, sums, activations, the loss. Backward, for each layer: the gradient
    that arrives × the local derivative = the gradient that leaves, and the gradients of the
    weights. Then the update, and the loss after it. All in float64 and in evaluation mode. Of
    large layers the units on the strongest paths are shown, and of deep networks the first layers,
    the last ones and those where the gradient changes most (as JSON, all).
    """
    from bpcli.build import prepare
    from bpcli.report.trace import trace
    from bpcli.report.trace.text import markdown, styled, text

    if layers and all_layers:
        raise click.UsageError("--all-layers and --layer exclude each other")
    spec = replace(request.load(), dtype="float64")
    dataset, network = prepare(spec)
    count = len(dataset.train)
    if example >= count:
        raise click.BadParameter(f"the training part has examples 0 to {count - 1}, not {example}")
    inputs, targets = dataset.train.slice(example, example + 1)
    traced = trace(
        spec,
        network,
        inputs,
        targets,
        example=example,
        examples=count,
        steps=steps,
        units=_by_layer(units),
        layers=layers,
        complete=all_layers or output.format == "json",
    )
    if output.format == "json":
        from bpcli.training.files import to_json

        output.write(to_json(traced.to_dict(), indent=2) + "\n")
    elif output.format == "markdown":
        output.write(markdown(traced, digits=digits))
    elif output.format == "html":
        from bpcli.report.html.trace import trace_page

        output.write(trace_page(traced, digits=digits))
    else:
        from bpcli.report.document import Document

        output.show(Document([styled(text(traced, digits=digits, width=output.environment.width))]))


def _by_layer(units: tuple[str, ...]) -> dict[str, list[tuple[int, ...]]]:
    found: dict[str, list[tuple[int, ...]]] = {}
    for written in units:
        layer, _, unit = written.rpartition(".")
        indices = unit.split(",")
        if not layer or not all(index.strip().isdecimal() for index in indices):
            raise click.BadParameter(
                f"--unit must be LAYER.N, like dense_2.5 or conv2d_1.3,4,7; received {written}"
            )
        found.setdefault(layer, []).append(tuple(map(int, indices)))
    return found
