"""`bpcli gradcheck`: every gradient of a spec's network against numerical derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.output import Output
from bpcli.cli.pages import html_option, write_page
from bpcli.cli.parameters import SpecRequest, output_parameters, spec_parameters

if TYPE_CHECKING:
    from bpcli.gradcheck import Result
    from bpcli.gradcheck.check import Mode
    from bpcli.report.document import Lines
    from bpcli.spec.model import Spec

_CODES = {
    "pass": ExitCode.OK,
    "fail": ExitCode.PROBLEMS,
    "inconclusive": ExitCode.INCONCLUSIVE,
}
_EXAMPLES = 16  # two batches of 8


@click.command()
@spec_parameters
@click.option(
    "--method",
    type=click.Choice(["complex", "central"]),
    default="complex",
    show_default=True,
    help="Complex steps, exact to rounding, or central differences.",
)
@click.option("--all", "every", is_flag=True, help="Every element, however long it takes.")
@click.option("--quick", is_flag=True, help="Random projections alone.")
@html_option
@output_parameters
def command(
    request: SpecRequest,
    output: Output,
    method: Literal["complex", "central"],
    every: bool,
    quick: bool,
    html_file: str | None,
) -> int:
    """Prove every gradient of SPEC, and name the mistake where one is wrong.

    Each backward pass is compared with numerical derivatives of the forward pass in float64, on a
    batch of the spec's own data: as the network starts, and with random biases and scales. A layer
    is at fault if its own backward is wrong given a right incoming gradient. Elements are compared
    one by one if that takes less than 20 s, else by signed random projections and a sample.

    Layers of your own come from a Python file, see docs/layers.md:

    \b
      bpcli gradcheck spec.yaml --layers my_layers.py

    Exits with 0 if all gradients are right, 1 if one is wrong, 4 if the method cannot tell.
    """
    from bpcli.report.gradcheck import gradcheck_report

    if every and quick:
        raise click.UsageError("--all compares every element, --quick none: give one of them")
    spec = request.load()
    mode: Mode = "all" if every else "quick" if quick else "auto"
    headline, result = _checked(spec, output, method, mode)
    document = gradcheck_report(headline, result)
    if html_file != "-":
        output.show(document)
    if html_file is not None:
        from bpcli.report.html.gradcheck import gradcheck_page

        title = f"{spec.name}: every gradient"
        write_page(output, html_file, gradcheck_page(title, headline, document, result))
    return _CODES[result.verdict]


def _checked(
    spec: Spec,
    output: Output,
    method: Literal["complex", "central"],
    mode: Mode,
) -> tuple[Lines, Result]:
    import numpy as np

    from bpcli.build import prepare
    from bpcli.gradcheck import Result, check
    from bpcli.gradcheck.failures import ENDS, raised_in_class
    from bpcli.report.document import Lines, Span
    from bpcli.report.gradcheck_progress import CheckProgress
    from bpcli.report.headline import headline

    try:
        dataset, network = prepare(spec)
    except ENDS as error:
        failed = raised_in_class(error, spec.network)
        if failed is None:
            raise
        return Lines((Span(spec.name, "strong"),)), Result("fail", method, failure=failed.failure)
    count = len(dataset.train)
    rows = np.random.default_rng(spec.seed).permutation(count)[:_EXAMPLES]
    inputs, targets = (array.copy() for array in dataset.train.take(rows))
    environment = output.environment
    progress = CheckProgress(environment.write_message, in_place=environment.animated)
    try:
        result = check(
            network,
            inputs,
            targets,
            method=method,
            mode=mode,
            progress=None if output.quiet else progress,
        )
    finally:
        progress.clear()
    about = headline(spec, network.chain, dataset.preparation.description(dataset.examples))
    return about, result
