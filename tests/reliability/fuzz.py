"""Gives bpcli files that nobody would write, and holds what it does against what it promises.

    python tests/reliability/fuzz.py                          # 25,000 inputs of each kind
    python tests/reliability/fuzz.py specs --inputs 100000 --seed 7

Specs are made by a grammar that knows the words but not what they mean, and by cutting and
flipping the project's own; data files, gradient logs, checkpoints and the files of a run by
damaging good ones. Each is read as a command would read it. What may come of it is a result or an
error for people, within a second and little memory; anything else is written down with the input
that led to it.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import io
import json
import math
import os
import random
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bpcli.build import plan
from bpcli.cli.environment import Environment
from bpcli.cli.run import run as run_program
from bpcli.data import load_data
from bpcli.diagnosis.log import diagnose_log
from bpcli.errors import BpcliError
from bpcli.memory import peak_memory
from bpcli.report.diagnosis import diagnosis_report
from bpcli.spec import load_spec
from bpcli.spec.initializers import INITIALIZERS
from bpcli.spec.layers import LAYERS
from bpcli.spec.optimization import LOSSES, OPTIMIZERS, SCHEDULES
from bpcli.training import checkpoint

ROOT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 1.0, 400  # that one input may take, and all of them at their highest
CONFIGS = [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.yaml"))]
WORDS = [*LAYERS, *INITIALIZERS, *LOSSES, *OPTIMIZERS, *SCHEDULES, "data", "network", "training",
         "path", "generate", "xor", "blobs", "samples", "split", "validation", "scale",
         "layers", "times", "units", "init", "bias", "true", "null", "name", "seed"]  # fmt: skip
SCALARS = ["0", "1", "-1", "2", "3", "1e-3", "0.5", "1e999", ".nan", ".inf", "-0", "1_000", "0x10",
           "012", "12:30", "no", "yes", "~", '""', "'a'", "99999999999999999999", "9" * 4999,
           "2001-01-01", "!!python/name:os.system", "&a b", "*a", "<<", "é", "[]"]  # fmt: skip
PIECES = [b"{", b"}", b"[", b"]", b": ", b"- ", b"\n", b"\t", b"  ", b",", b"'", b'"', b"|", b">",
          b"#", b"? ", b"%", b"\x00", b"\xff", b"\xc3", b"---\n", b"0", b"-", b".", b"e", b"NaN",
          b"1e999", b"null", b"9" * 400, b"\r", b";", b"\xef\xbb\xbf", b"=cmd"]  # fmt: skip

Make = Callable[[random.Random], tuple[str, bytes]]  # (how it is to be read, the content)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """With bits flipped, pieces cut out, doubled, put in or put elsewhere, or its end lost."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        start = chance.randrange(len(found) + 1)
        end = min(len(found), start + chance.choice((0, 1, 4, 30)))
        kind = chance.randrange(5)
        if kind == 0 and found:
            found[min(start, len(found) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            found[start:end] = chance.choice(PIECES)
        elif kind == 2:
            piece = found[start:end]
            place = chance.randrange(len(found) + 1)
            found[place:place] = piece
        elif kind == 3:
            found[start:end] = chance.randbytes(end - start)
        elif chance.random() < 0.3:
            del found[start:]
    return bytes(found)


# specs


def value(chance: random.Random, depth: int) -> str:
    """A scalar, a list or a mapping in YAML's flow style."""
    kind = chance.random()
    if depth == 0 or kind < 0.55:
        return chance.choice(WORDS if chance.random() < 0.3 else SCALARS)
    if kind < 0.7:
        return "[" + ", ".join(value(chance, depth - 1) for _ in range(chance.randrange(4))) + "]"
    keys = [chance.choice(WORDS) for _ in range(chance.randrange(4))]
    return "{" + ", ".join(f"{key}: {value(chance, depth - 1)}" for key in keys) + "}"


def layer(chance: random.Random, depth: int) -> str:
    """One of the layers with some of its options, most of them of the right kind."""
    name = chance.choice([*LAYERS])
    if name in ("residual", "repeat"):
        inner = (
            ", ".join(layer(chance, depth - 1) for _ in range(chance.randrange(3))) if depth else ""
        )
        times = f"times: {chance.choice((1, 2, 3, 40, 10_000))}, " if name == "repeat" else ""
        return f"{{{name}: {{{times}layers: [{inner}]}}}}"
    options = []
    for field in dataclasses.fields(LAYERS[name]):
        if chance.random() < 0.4:
            likely = chance.choice(("1", "2", "8", "3", "true", "zeros", "0.5", "relu", "last"))
            given = likely if chance.random() < 0.8 else value(chance, 2)
            options.append(f"{field.metadata.get('key') or field.name}: {given}")
    return f"{{{name}: {{{', '.join(options)}}}}}" if options else name


def spec(chance: random.Random) -> tuple[str, bytes]:
    kind = chance.random()
    if kind < 0.4:
        return "spec", damaged(chance.choice(CONFIGS), chance)
    layers = ", ".join(layer(chance, 2) for _ in range(chance.randrange(1, 7)))
    data = "{generate: {" + chance.choice(("xor", "circles", "blobs", "gaussian", "moons"))
    data += ": {samples: 30}}}" if chance.random() < 0.8 else f": {value(chance, 2)}}}}}"
    top = {"data": data.replace("xor: {samples: 30}", "xor: {}"), "network": f"[{layers}]",
           "loss": chance.choice([*LOSSES])}  # fmt: skip
    for key in ("optimizer", "schedule", "training", "seed", "dtype", "diagnosis", "name"):
        if chance.random() < 0.3:
            top[key] = value(chance, 3)
    if chance.random() < 0.2:
        top[chance.choice([*top, *WORDS])] = value(chance, 3)
    text = "".join(f"{key}: {content}\n" for key, content in top.items()).encode()
    return "spec", text if kind < 0.9 else damaged(text, chance)


def read_spec(_: str, content: bytes, folder: Path) -> None:
    path = folder / "a.yaml"
    path.write_bytes(content)
    found = load_spec(path)
    if found.data.generate is not None:
        plan(found)


# data files


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def saved(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((12, 3))
TABLE = "a,b,c,y\n" + "".join(
    ",".join(f"{number:.3f}" for number in row) + f",{n % 3}\n" for n, row in enumerate(X)
)
IMAGES = RANDOM.integers(0, 256, (12, 4, 4)).astype(np.uint8)
LABELS = (np.arange(12) % 3).astype(np.uint8)
FILES: dict[str, bytes] = {
    "a.csv": TABLE.encode(),
    "b.csv": TABLE.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
    "a.txt": b"the quick brown fox jumps over the lazy dog\n" * 8,
    "a.npz": saved(np.savez, x=X, y=LABELS.astype(np.int64)),
    "b.npz": saved(np.savez_compressed, x=X.astype(np.float32), y=X[:, 0]),
    "x.npy": saved(np.save, X),
    "images": idx(IMAGES),
    "labels": idx(LABELS),
    "y.npy": saved(np.save, LABELS.astype(np.int64)),
}
SOURCES = (
    ("a.csv", "path: a.csv, target: y"),
    ("a.csv", "path: a.csv, target: [a, b], missing: mean"),
    ("a.csv", "path: a.csv, target: a, window: 3, horizon: 2, scale: standard"),
    ("b.csv", "path: b.csv, missing: drop, scale: minmax"),
    ("a.txt", "path: a.txt, sequence_length: 8"),
    ("a.npz", "path: a.npz, scale: standard"),
    ("b.npz", "path: b.npz, target_scale: standard"),
    ("x.npy", "inputs: x.npy, targets: y.npy"),
    ("y.npy", "inputs: x.npy, targets: y.npy"),
    ("images", "images: images, labels: labels"),
    ("labels", "images: images, labels: labels"),
)  # fmt: skip


def data(chance: random.Random) -> tuple[str, bytes]:
    number = chance.randrange(len(SOURCES))
    name, _ = SOURCES[number]
    packed = name in ("a.csv", "images") and chance.random() < 0.3
    content = damaged(FILES[name], chance)
    if packed:
        content = gzip.compress(content, 1, mtime=0)
        content = damaged(content, chance) if chance.random() < 0.5 else content
    return f"{number}{'.gz' if packed else ''}", content


def read_data(how: str, content: bytes, folder: Path) -> None:
    number, _, packed = how.partition(".")
    name, options = SOURCES[int(number)]
    if packed:
        options = options.replace(name, f"{name}.gz", 1)
    for other, whole in FILES.items():
        (folder / other).write_bytes(whole)
    (folder / (f"{name}.gz" if packed else name)).write_bytes(content)
    loss = (
        "mse"
        if "[a, b]" in options or "window" in options or "b.npz" in options
        else "cross_entropy"
    )
    path = folder / "a.yaml"
    path.write_text(
        f"data: {{{options}, split: {{validation: 0.2}}}}\nnetwork: [{{dense: 3}}]\nloss: {loss}\n"
    )
    load_data(load_spec(path))


# gradient logs

LOGS = [
    b"".join(path.read_bytes().splitlines(True)[:5])
    for path in sorted((ROOT / "tests" / "reference" / "gradients").glob("*.jsonl"))
]


def log(chance: random.Random) -> tuple[str, bytes]:
    return "log", damaged(chance.choice(LOGS), chance)


def read_log(_: str, content: bytes, folder: Path) -> None:
    path = folder / "gradients.jsonl"
    path.write_bytes(content)
    diagnosis_report(diagnose_log(path), [])


# checkpoints

TREE = {
    "epochs": 3,
    "network": {"parameters": X, "names": ["a"], "shapes": [[12, 3]]},
    "best": None,
}
WHOLE = checkpoint._to_bytes(TREE)


def one_bit(chance: random.Random) -> tuple[str, bytes]:
    """A checkpoint with one bit flipped, or without its end."""
    if chance.random() < 0.1:
        return "checkpoint", WHOLE[: chance.randrange(len(WHOLE))]
    content = bytearray(WHOLE)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return "checkpoint", bytes(content)


def read_checkpoint(_: str, content: bytes, folder: Path) -> None:
    path = folder / "last.npz"
    path.write_bytes(content)
    checkpoint.load(path)
    raise AssertionError("the damage was not noticed")


# run directories

WRITTEN = ("metrics.jsonl", "gradients.jsonl", "summary.json", "environment.json",
           "preparation.json", "spec.yaml")  # fmt: skip
COMMANDS = (("diagnose",), ("report", "--html", "-"), ("compare", "a/1"), ("evaluate",),
            ("train", "--resume"))  # fmt: skip
RUN_SPEC = """\
name: a
data: {generate: {circles: {samples: 60}}, split: {validation: 0.2}}
network: [{dense: 4}, relu, {dense: 2}]
loss: cross_entropy
schedule: cosine
training: {epochs: 3, batch_size: 8}
"""
ODD = (None, True, 0, -1, 1e308, math.nan, math.inf, "x", "", [], {}, [1, "a"], {"a": 1}, 10**30,
       -5.5, [None])  # fmt: skip


@cache
def a_run() -> dict[str, bytes]:
    """What a short run leaves, by name."""
    with tempfile.TemporaryDirectory() as temporary:
        spec_file = Path(temporary, "a.yaml")
        spec_file.write_text(RUN_SPEC)
        say("train", spec_file, "--runs", temporary, "--quiet")
        run = Path(temporary, "a", "1")
        files = (path for path in run.rglob("*") if path.is_file())
        return {str(path.relative_to(run)): path.read_bytes() for path in files}


def edited(content: bytes, chance: random.Random) -> bytes:
    """JSON, or lines of it, in which something is missing or of another kind."""
    text = content.decode()
    lines = [text] if text.startswith("{\n") else text.splitlines()
    documents = [json.loads(line) for line in lines]
    inside = chance.choice(documents)
    while inside:
        key = chance.choice([*inside] if isinstance(inside, dict) else range(len(inside)))
        if isinstance(inside[key], dict | list) and chance.random() < 0.6:
            inside = inside[key]
        elif chance.random() < 0.35:
            del inside[key]
            break
        else:
            inside[key] = chance.choice(ODD)
            break
    return "".join(json.dumps(document) + "\n" for document in documents).encode()


def run_file(chance: random.Random) -> tuple[str, bytes]:
    name = chance.choice(WRITTEN)
    change = edited if name != "spec.yaml" and chance.random() < 0.8 else damaged
    return f"{name} {chance.randrange(len(COMMANDS))}", change(a_run()[name], chance)


def read_run(how: str, content: bytes, folder: Path) -> None:
    name, number = how.split()
    run = folder / "a" / "1"
    for other, whole in a_run().items():
        (run / other).parent.mkdir(parents=True, exist_ok=True)
        (run / other).write_bytes(content if other == name else whole)
    command, *more = COMMANDS[int(number)]
    if command == "train" and name != "summary.json":
        (run / "summary.json").unlink()  # so that there is something to go on with
    more = [str(folder / each) if each == "a/1" else each for each in more]
    code, message = say(command, *more, run)
    if code not in (0, 1, 2, 3):
        raise AssertionError(message[:300])
    if code == 2:
        raise BpcliError(message)


def say(*arguments: str | Path) -> tuple[int, str]:
    """The program's exit code and what it writes to people."""
    out, err = io.StringIO(), io.StringIO()
    code = run_program([*map(str, arguments)], Environment(out, err, {}))
    return int(code), err.getvalue()


KINDS: dict[str, tuple[Make, Callable[[str, bytes, Path], None]]] = {
    "specs": (spec, read_spec),
    "data": (data, read_data),
    "logs": (log, read_log),
    "checkpoints": (one_bit, read_checkpoint),
    "runs": (run_file, read_run),
}


# the campaign


def campaign(kind: str, inputs: int, seed: int, keep: Path | None = None) -> list[str]:
    """What broke a promise; prints the figures, and keeps the inputs that did."""
    make, read = KINDS[kind]
    chance = random.Random(f"{seed} {kind}")
    broken: dict[str, str] = {}
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(inputs):
            how, content = make(chance)
            begun = time.process_time()
            try:
                read(how, content, Path(temporary))
                outcomes["read"] += 1
            except BpcliError as error:
                outcomes["refused"] += 1
                found = "" if str(error).strip() else "an error without a message"
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                found = f"{type(error).__name__}: {error!s:.200} ({frame.filename}:{frame.lineno})"
            else:
                found = ""
            took = time.process_time() - begun
            slowest = max(slowest, took)
            if not found and took > SECONDS:
                found = f"{took:.1f} s"
            if found:
                key = found.rpartition(" (")[2]
                if key not in broken and keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{kind}-{number}-{how}").write_bytes(content)
                broken.setdefault(key, f"{kind} {number} ({how}): {found}")
    peak = (peak_memory() or 0) / 1e6
    if peak > MEGABYTES:
        broken["memory"] = f"{kind}: {peak:.0f} MB"
    print(
        f"{kind}: {inputs:,} inputs, {outcomes['read']:,} read, {outcomes['refused']:,} refused, "
        f"{len(broken)} broken promises; slowest {slowest:.2f} s, peak memory {peak:.0f} MB",
        flush=True,
    )
    return [*broken.values()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--inputs", type=int, default=25_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for inputs that break a promise")
    arguments = parser.parse_args()
    found = [
        problem
        for kind in arguments.kinds or KINDS
        for problem in campaign(kind, arguments.inputs, arguments.seed, arguments.keep)
    ]
    print(*found, sep="\n")
    sys.exit(bool(found))
