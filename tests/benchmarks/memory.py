"""What training takes of memory beside what `bpcli show` says that it does.

    python tests/benchmarks/memory.py [SPEC ...]

For each spec, in a process of its own: the most that the process held during ten steps, less what
it held before the network was built, over the parameters, their gradients, the optimizer's state,
the activations and their gradients. Linux alone tells (/proc).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (
    "mnist", "keras_mnist_mlp", "mnist_cnn", "mnist1d_cnn", "mnist1d_gru", "moby_dick_lstm",
    "moby_dick_transformer", "deep_residual_cnn",
)  # fmt: skip
STEPS = 10


def measured(path: str) -> int:
    """Bytes at most during the steps, above those held before."""
    import gc

    from bpcli.build import network_on
    from bpcli.data import load_data
    from bpcli.memory import peak_memory
    from bpcli.spec.load import load_spec
    from bpcli.training import Stepper

    spec = load_spec(path)
    dataset = load_data(spec)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = peak_memory()
    network = network_on(spec, dataset)
    stepper = Stepper(spec, dataset.train, network)
    for _ in range(STEPS):
        stepper.step()
    return peak_memory() - before


def expected(path: str) -> int:
    shown = subprocess.run(
        [sys.executable, "-m", "bpcli", "show", path, "--format", "json"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(shown.stdout)["memory"]["total"]


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(measured(sys.argv[2]))
        return
    paths = sys.argv[1:] or [str(ROOT / f"configs/{name}.yaml") for name in SHIPPED]
    print(f"{'spec':28} {'said, MiB':>10} {'taken, MiB':>10} {'ratio':>6}")
    for path in paths:
        taken = int(subprocess.check_output([sys.executable, __file__, "--one", path], cwd=ROOT))
        said = expected(path)
        print(f"{Path(path).stem:28} {said / 2**20:10.1f} {taken / 2**20:10.1f} "
              f"{taken / said:6.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
