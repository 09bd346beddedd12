"""How the time of a training step grows with parameters, depth and batch: in proportion.

    python tests/benchmarks/scaling.py            all tables
    python tests/benchmarks/scaling.py depth      one
    python tests/benchmarks/scaling.py --plot FILE.svg      a picture too (with matplotlib)

Each row gives the step's time, what it is per multiply-add and per layer, and forward and backward
apart. One of the two stays alike where the cost grows in proportion: small networks pay for their
layers, large ones for their products. No test asserts a time.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from contenders import _stepper  # noqa: E402
from workloads import Workload  # noqa: E402

Row = tuple[str, Workload]


def parameters() -> Iterator[Row]:
    """Four hidden layers, ever wider: about a thousand to ten million parameters."""
    for width in (14, 30, 56, 96, 176, 314, 564, 1000, 1800):
        yield f"4 layers of {width}", Workload((width, *[width] * 4, 10), 64)


def depth() -> Iterator[Row]:
    """Hidden layers of 100 units, 2 to 500."""
    for layers in (2, 5, 10, 20, 50, 100, 200, 500):
        yield f"{layers} layers of 100", Workload((100, *[100] * layers, 10), 64)


def batch() -> Iterator[Row]:
    """784-256-128-10 with 1 to 1,024 examples a batch."""
    for examples in (1, 4, 16, 64, 256, 1024):
        yield f"batch of {examples}", Workload((784, 256, 128, 10), examples)


TABLES: dict[str, Callable[[], Iterator[Row]]] = {
    table.__name__: table for table in (parameters, depth, batch)
}
UNITS = {"parameters": "parameters", "depth": "layers", "batch": "examples a batch"}


class Times(NamedTuple):
    """Median seconds."""

    step: float
    forward: float
    backward: float


def measure(workload: Workload, seconds: float) -> tuple[Times, int]:
    """The times of a step, and the number of parameters."""
    stepper = _stepper(workload)
    network = stepper.network
    inputs, targets = stepper.batches.next()
    step = _median(stepper.step, seconds)
    forward = _median(lambda: network.forward(inputs, training=True), seconds / 2)
    _, cache = network.loss.forward(network.forward(inputs, training=True), targets)
    delta = network.loss.backward(cache)
    backward = _median(lambda: network.backward(delta), seconds / 2)
    return Times(step, forward, backward), network.parameters.vector.size


def _median(call: Callable[[], object], seconds: float) -> float:
    for _ in range(3):
        call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def products(workload: Workload) -> tuple[int, int]:
    """Multiply-adds of the forward and of the backward pass, which the first layer's inputs need
    no part of."""
    sizes = workload.sizes
    each = [workload.batch_size * m * n for m, n in itertools.pairwise(sizes)]
    return sum(each), 2 * sum(each) - each[0]


def plot(tables: dict[str, list[tuple[float, float]]], file: str) -> None:
    """Each table's step times over what it varies, on logarithmic axes, beside a straight
    proportion through the last point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(tables), 3.2), layout="constrained")
    for axes, (name, points) in zip(
        figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True
    ):
        x, milliseconds = zip(*points, strict=True)
        axes.loglog(x, milliseconds, "o-", color="C0", label="a step")
        proportion = [milliseconds[-1] * each / x[-1] for each in x]
        axes.loglog(x, proportion, "--", color="0.6", label="in proportion")
        axes.set(xlabel=UNITS[name], ylim=(min(milliseconds) / 3, max(milliseconds) * 2))
    figure.axes[0].set_ylabel("milliseconds")
    figure.axes[0].legend(frameon=False)
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--seconds", type=float, default=0.5, help="of each row")
    parser.add_argument("--plot", metavar="FILE", help="a picture of the tables")
    arguments = parser.parse_args()
    unknown = set(arguments.tables) - set(TABLES)
    if unknown:
        parser.error(f"a table is one of {', '.join(TABLES)}, received {min(unknown)}")
    points = {name: show(name, arguments.seconds) for name in arguments.tables or TABLES}
    if arguments.plot:
        plot(points, arguments.plot)


def show(name: str, seconds: float) -> list[tuple[float, float]]:
    """Prints a table; returns (what it varies, milliseconds of a step) of each row."""
    print(
        f"{name:20} {'parameters':>11} {'step, µs':>10} {'ps/mul-add':>10} {'µs/layer':>9} "
        f"{'backward:forward':>16} {'of products':>11}"
    )
    points = []
    for label, workload in TABLES[name]():
        times, count = measure(workload, seconds)
        forward, backward = products(workload)
        layers = len(workload.sizes) - 1
        print(
            f"{label:20} {count:11,} {times.step * 1e6:10.1f} "
            f"{times.step * 1e12 / (forward + backward):10.1f} {times.step * 1e6 / layers:9.1f} "
            f"{times.backward / times.forward:16.2f} {backward / forward:11.2f}",
            flush=True,
        )
        varied = {"parameters": count, "depth": layers, "batch": workload.batch_size}[name]
        points.append((varied, times.step * 1e3))
    print()
    return points


if __name__ == "__main__":
    main()
