"""Whole processes on MNIST, 5 epochs: `bpcli train`, and plain PyTorch scripts that do the same.

    python tests/benchmarks/whole_process.py [--threads 1 2] [--rounds 3]

Each is timed from its start to its end, in turns. The scripts read the same files, train the same
network (784-256-128-10, ReLU, dropout .2, Adam, a cosine schedule, batches of 64) and tell accuracy
on the validation and test images. ``torch`` takes its batches by indexing one tensor, the fastest
plain way; ``torch with DataLoader`` is that of PyTorch's tutorials. bpcli does its usual work
besides: gradient norms by layer, findings, checkpoints. Skipped where PyTorch is not installed.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPILED = os.path.join(tempfile.gettempdir(), "bpcli-whole-process")
EPOCHS, BATCH, VALIDATION = 5, 64, 3_000


def read_idx(name: str):
    import gzip

    import numpy as np

    packed = gzip.decompress((ROOT / "datasets" / "mnist" / name).read_bytes())
    header = 4 + 4 * packed[3]
    sizes = np.frombuffer(packed[4:header], ">u4").astype(int)
    return np.frombuffer(packed, np.uint8, offset=header).reshape(*sizes)


def train_torch(with_loader: bool, threads: int) -> None:
    """The script beside which bpcli is timed."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)

    def tensors(part: str):
        images = torch.tensor(read_idx(f"{part}-images-idx3-ubyte.gz"), dtype=torch.float32) / 255
        labels = torch.tensor(read_idx(f"{part}-labels-idx1-ubyte.gz"), dtype=torch.int64)
        return images, labels

    images, labels = tensors("train")
    order = torch.randperm(len(images))
    held, kept = order[:VALIDATION], order[VALIDATION:]
    training, validation = (images[kept], labels[kept]), (images[held], labels[held])
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128),
        nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    loss_of, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.002)
    steps = EPOCHS * -(-len(kept) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def batches():
        if with_loader:
            dataset = torch.utils.data.TensorDataset(*training)
            yield from torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
        else:
            for rows in torch.randperm(len(kept)).split(BATCH):
                yield training[0][rows], training[1][rows]

    def accuracy(images, labels) -> float:
        model.eval()
        with torch.no_grad():
            right = sum(
                (model(x).argmax(1) == y).sum().item()
                for x, y in zip(images.split(1024), labels.split(1024), strict=True)
            )
        model.train()
        return right / len(images)

    for epoch in range(EPOCHS):
        total = 0.0
        for x, y in batches():
            loss = loss_of(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(x)
        print(f"epoch {epoch + 1} loss {total / len(kept):.4f} {accuracy(*validation):.4f}")
    torch.save(model.state_dict(), os.devnull)
    print(f"test {accuracy(*tensors('t10k')):.2%}")


def commands(threads: int, runs: str) -> dict[str, list[str]]:
    ours = [sys.executable, "-m", "bpcli", "train", str(ROOT / "configs/mnist.yaml"), "--set",
            f"training.epochs={EPOCHS}", "--quiet", "--runs", runs]  # fmt: skip
    torch = [sys.executable, __file__, "--torch"]
    return {
        "bpcli": ours,
        "torch": [*torch, "index", "--threads", str(threads)],
        "torch with DataLoader": [*torch, "loader", "--threads", str(threads)],
    }


def timed(command: list[str], threads: int) -> tuple[float, str]:
    """Seconds, and the accuracy on the test images."""
    number = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": COMPILED}
    begun = time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | number | compiled, cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return time.perf_counter() - begun, re.findall(r"test .*?([\d.]+%)", done.stdout)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", choices=("index", "loader"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch:
        train_torch(arguments.torch == "loader", arguments.threads[0])
        return
    for threads in arguments.threads:
        with tempfile.TemporaryDirectory() as runs:
            ways = commands(threads, runs)
            if find_spec("torch") is None:
                del ways["torch"], ways["torch with DataLoader"]
            results = {
                name: [timed(command, threads)] for name, command in ways.items()
            }  # also what fills the caches
            for _ in range(arguments.rounds - 1):
                for name, command in ways.items():
                    results[name].append(timed(command, threads))
        print(f"{threads} thread{'s' * (threads > 1)}")
        for name, found in results.items():
            times = [seconds for seconds, _ in found]
            ratio = statistics.median(
                a / b for a, (b, _) in zip(times, results["bpcli"], strict=True)
            )
            print(
                f"  {name:21} {statistics.median(times):6.2f} s   {ratio:.2f} times bpcli's,  "
                f"test {found[0][1]}"
            )


if __name__ == "__main__":
    main()
